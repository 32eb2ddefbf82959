use core::fmt;

/// How well a statement about a token's wire is founded.
///
/// Every operation and every type of this crate names its level. The levels
/// are ordered: `Evidence::Vendor > Evidence::ThirdParty > …`, so a program
/// can ask for "at least third-party".
///
/// None of them means "tried by this project on a real token": no vendor
/// hardware was available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// Searched for and not found. Nothing is sent to a token at this level.
    Unknown,
    /// This project's own profile, as kept by the virtual tokens: no
    /// statement about the vendor's tokens.
    ProjectProfile,
    /// Follows from better founded statements by reasoning; stated nowhere.
    Inferred,
    /// Stated by an independent open project that cites a page of the vendor
    /// or a live trace; the vendor's page itself was not read.
    ThirdParty,
    /// Read in the vendor's public documentation.
    Vendor,
}

impl Evidence {
    /// Every level, the strongest first.
    pub const ALL: [Self; 5] = [
        Self::Vendor,
        Self::ThirdParty,
        Self::Inferred,
        Self::ProjectProfile,
        Self::Unknown,
    ];

    /// The level's short name, as the support table has it: `vendor`,
    /// `third-party`, `inferred`, `project profile`, `unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vendor => "vendor",
            Self::ThirdParty => "third-party",
            Self::Inferred => "inferred",
            Self::ProjectProfile => "project profile",
            Self::Unknown => "unknown",
        }
    }

    /// What the level means, in one clause.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Vendor => "read in the vendor's own public documentation",
            Self::ThirdParty => {
                "stated by an independent open project that cites a vendor page or a live trace; \
                 the vendor page itself was not read"
            }
            Self::Inferred => "follows from the above by reasoning; stated nowhere",
            Self::ProjectProfile => {
                "this project's own profile, kept by the virtual tokens; \
                 no statement about the vendor's tokens"
            }
            Self::Unknown => "searched for, not found; nothing is sent at this level",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
