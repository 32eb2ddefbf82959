//! Where the programs of this toolkit keep things: directories of the person's own,
//! each of which an environment variable moves.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use token_manager::token_cache::Cache;

/// What is kept in a directory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Records about tokens ([`FileStore`](token_manager::FileStore)): policies, journals.
    Records,
    /// What is remembered of tokens ([`Cache`]).
    Cache,
    /// Software tokens, a file each.
    SoftwareTokens,
}

impl Place {
    /// Every place.
    pub const ALL: [Self; 3] = [Self::Records, Self::Cache, Self::SoftwareTokens];

    /// The environment variable that names another directory. For the cache the value
    /// `off` means that there is none ([`cache`]).
    pub fn variable(self) -> &'static str {
        match self {
            Self::Records => "TOKENCTL_RECORD_DIR",
            Self::Cache => "TOKENCTL_CACHE_DIR",
            Self::SoftwareTokens => "TOKENCTL_VIRTUAL_DIR",
        }
    }

    /// The directory: the variable's if that is set and not empty, or else one below the
    /// platform's directory for data or for caches. Touches no file.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn directory(self) -> Result<PathBuf, NoPlace> {
        let platform = etcetera::choose_base_strategy().ok();
        self.choose(
            env::var_os(self.variable()),
            platform.map(|platform| match self {
                Self::Records => platform.data_dir().join("tokenctl").join("records"),
                Self::Cache => platform.cache_dir().join("tokenctl").join("tokens"),
                Self::SoftwareTokens => platform.data_dir().join("tokenctl").join("virtual"),
            }),
        )
    }

    fn choose(self, named: Option<OsString>, usual: Option<PathBuf>) -> Result<PathBuf, NoPlace> {
        named
            .filter(|directory| !directory.is_empty())
            .map(PathBuf::from)
            .or(usual)
            .ok_or(NoPlace { place: self })
    }

    fn holds(self) -> &'static str {
        match self {
            Self::Records => "keep records about tokens in",
            Self::Cache => "remember tokens in",
            Self::SoftwareTokens => "keep software tokens in",
        }
    }
}

/// There is no directory for this: the person has no home directory, and no variable
/// names another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no home directory to {}. Set {} to a directory of yours",
    place.holds(),
    place.variable()
)]
pub struct NoPlace {
    /// What it was for.
    pub place: Place,
}

/// The cache of this person, which all programs share. Touches no file yet. Switched
/// off by the caller, it is not read, and what a change makes stale is forgotten in it
/// all the same: another program may use it. Switched off by the environment
/// (`TOKENCTL_CACHE_DIR=off`), or without a home directory, there is none.
pub fn cache(off: bool) -> Cache {
    let is_off = env::var_os(Place::Cache.variable()).is_some_and(|value| value == "off");
    match Place::Cache.directory() {
        Ok(folder) if !is_off => {
            let cache = Cache::off().with_disk(&folder);
            if off { cache.only_forgetting() } else { cache }
        }
        _ => Cache::off(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_counts_if_it_is_not_empty_and_no_home_is_told_with_the_way_out() {
        let usual = || Some(PathBuf::from("/home/alex/records"));
        let named = |name: &str| Some(OsString::from(name));
        for (variable, platform, chosen) in [
            (named("/else"), usual(), Some("/else")),
            (named("/else"), None, Some("/else")),
            (named(""), usual(), Some("/home/alex/records")),
            (None, usual(), Some("/home/alex/records")),
            (named(""), None, None),
        ] {
            let found = Place::Records.choose(variable, platform);
            assert_eq!(found.ok(), chosen.map(PathBuf::from));
        }
        for place in Place::ALL {
            let error = place.choose(None, None).err().map(|why| why.to_string());
            let error = error.unwrap_or_default();
            assert!(error.contains(place.variable()), "{error}");
        }
    }
}
