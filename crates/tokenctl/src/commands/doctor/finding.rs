//! What was looked at, and what was found.

use crate::json;

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// May be in the way.
    Warning,
    /// Keeps tokens from being used.
    Problem,
}

impl Level {
    /// The name, for people and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        }
    }
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// The PC/SC service.
    Service,
    /// Readers and their drivers.
    #[cfg(feature = "pcsc")]
    Readers,
    /// Tokens, and who uses them.
    #[cfg(feature = "pcsc")]
    Tokens,
    /// Software tokens.
    Virtual,
}

impl Area {
    /// The heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Area::Service => "PC/SC service",
            #[cfg(feature = "pcsc")]
            Area::Readers => "Readers",
            #[cfg(feature = "pcsc")]
            Area::Tokens => "Tokens",
            Area::Virtual => "Software tokens",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Area::Service => "service",
            #[cfg(feature = "pcsc")]
            Area::Readers => "readers",
            #[cfg(feature = "pcsc")]
            Area::Tokens => "tokens",
            Area::Virtual => "virtual",
        }
    }
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What was looked at; does not change between versions.
    pub(crate) id: &'static str,
    /// What it is about.
    pub(crate) area: Area,
    /// How serious it is.
    pub(crate) level: Level,
    /// What was found: a sentence without a full stop.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) next: Option<String>,
}

impl Finding {
    /// A finding without advice.
    pub(crate) fn new(
        id: &'static str,
        area: Area,
        level: Level,
        message: impl Into<String>,
    ) -> Self {
        Finding {
            id,
            area,
            level,
            message: message.into(),
            next: None,
        }
    }

    /// Adds what to do next.
    pub(crate) fn next(mut self, advice: impl Into<String>) -> Self {
        self.next = Some(advice.into());
        self
    }

    /// As it stands in JSON.
    pub(crate) fn to_json(&self) -> json::Finding {
        json::Finding {
            id: self.id,
            area: self.area.name(),
            level: self.level.name(),
            message: self.message.clone(),
            next: self.next.clone(),
        }
    }
}
