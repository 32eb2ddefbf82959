//! Clear cache: what is remembered of a token is forgotten, and the token is read anew.

use token_cache::Cache;

use crate::failure::ActionError;
use crate::session::Session;
use crate::token::Token;

/// What came of forgetting what is remembered of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheCleared {
    /// It is forgotten.
    Forgotten,
    /// There was nothing.
    Nothing,
    /// The cache is turned off: nothing is remembered of any token.
    Off,
    /// It may still be there, since the place can't be written to.
    Failed,
}

impl CacheCleared {
    /// How it went, as sentences, once the token was read anew.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Forgotten => {
                "What was remembered of the token is forgotten, and it was read anew."
            }
            Self::Nothing => "Nothing was remembered of the token. It was read anew.",
            Self::Off => "The cache is turned off: the token was only read anew.",
            Self::Failed => {
                "What is remembered of the token could not be removed. Check the rights of the \
                 cache's folder."
            }
        }
    }
}

impl Token {
    /// Forgets what a cache remembers of the token; `was_held` is whether there was anything
    /// before the token was read, which may make it one that is remembered. Sends nothing.
    pub fn forget_in(&self, cache: &Cache, was_held: bool) -> CacheCleared {
        match self.cache_name() {
            _ if cache.is_off() => CacheCleared::Off,
            Some(name) if !cache.clear(&name) => CacheCleared::Failed,
            Some(_) if was_held => CacheCleared::Forgotten,
            _ => CacheCleared::Nothing,
        }
    }
}

impl Session {
    /// Forgets what is remembered of the token, and reads it anew, whatever came of the
    /// first: the commands are those of [`load`](crate::load()).
    ///
    /// # Errors
    /// As [`reload_same`](Self::reload_same); what was remembered is forgotten then.
    pub fn clear_cache(&mut self) -> Result<CacheCleared, ActionError> {
        // A session has read its token: it is remembered, if it can be.
        let cleared = self.token.forget_in(&self.manager.options().cache, true);
        self.reload_same()?;
        Ok(cleared)
    }
}
