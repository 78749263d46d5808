//! From a raw path to what it names: byte for byte, nothing decoded or cleaned.

/// A resource, with the raw id where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// `/v1/users/{id}/balance`
    Balance(&'a str),
    /// `/v1/users/{id}/statistics`
    Statistics(&'a str),
    /// `/fib`
    Fib,
    /// `/healthz`
    Healthz,
    /// `/readyz`
    Readyz,
    /// `/version`
    Version,
    /// `/metrics`
    Metrics,
    /// `/debug/pprof/profile`, in a build with the feature `profiling`
    Profile,
    /// Anything else.
    None,
}

impl<'a> Route<'a> {
    /// The resource that the raw path names.
    #[must_use]
    pub fn of(path: &'a str) -> Self {
        if let Some(rest) = path.strip_prefix("/v1/users/") {
            return match rest.split_once('/') {
                Some(("", _)) => Self::None,
                Some((id, "balance")) => Self::Balance(id),
                Some((id, "statistics")) => Self::Statistics(id),
                _ => Self::None,
            };
        }
        match path {
            "/fib" => Self::Fib,
            "/healthz" => Self::Healthz,
            "/readyz" => Self::Readyz,
            "/version" => Self::Version,
            "/metrics" => Self::Metrics,
            "/debug/pprof/profile" if cfg!(feature = "profiling") => Self::Profile,
            _ => Self::None,
        }
    }

    /// The endpoint's name in metrics.
    #[must_use]
    pub fn endpoint(self) -> Endpoint {
        match self {
            Self::Balance(_) => Endpoint::Balance,
            Self::Statistics(_) => Endpoint::Statistics,
            Self::Fib => Endpoint::Fib,
            Self::Healthz => Endpoint::Healthz,
            Self::Readyz => Endpoint::Readyz,
            Self::Version => Endpoint::Version,
            Self::Metrics => Endpoint::Metrics,
            Self::Profile => Endpoint::Profile,
            Self::None => Endpoint::None,
        }
    }
}

/// What requests are counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "one name for each route")]
pub enum Endpoint {
    Balance,
    Statistics,
    Fib,
    Healthz,
    Readyz,
    Version,
    Metrics,
    Profile,
    None,
}

impl Endpoint {
    /// All of them, at their numbers.
    pub const NAMES: [&str; 9] =
        ["balance", "statistics", "fib", "healthz", "readyz", "version", "metrics", "profile", "none"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_paths_are_found() {
        assert_eq!(Route::of("/v1/users/u_1/balance"), Route::Balance("u_1"));
        assert_eq!(Route::of("/v1/users/%75/statistics"), Route::Statistics("%75"));
        assert_eq!(Route::of("/v1/users/../balance"), Route::Balance(".."));
        assert_eq!((Route::of("/fib"), Route::of("/readyz")), (Route::Fib, Route::Readyz));
    }

    #[test]
    fn anything_else_is_nothing() {
        for path in [
            "",
            "/",
            "//healthz",
            "/healthz/",
            "/Healthz",
            "/%68ealthz",
            "/v1/users//balance",
            "/v1/users/a//balance",
            "/v1/users/a/balance/",
            "/v1/users/a/b/balance",
            "/v1/users/a/Balance",
            "/v1/users/a",
            "/v1//users/a/balance",
            "/v1/users/a/transactions",
            "/v1/gifts",
            "*",
            "/v1/users/a%2Fbalance",
            "/./fib",
            "/v1/users/a/balance%20",
        ] {
            assert_eq!(Route::of(path), Route::None, "{path}");
        }
    }
}
