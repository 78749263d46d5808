//! Which route a request takes: the first template that matches method and path.

/// The name under which requests are counted that match no route.
pub const UNMATCHED: &str = "unmatched";

/// One route of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its name in metrics and records.
    pub name: String,
    /// The method, in capitals.
    pub method: String,
    /// The path with `{names}` in place of whole segments; no query.
    pub template: Template,
    /// Whether a request may be asked twice: only then it is mirrored or repeated.
    pub safe: bool,
}

/// A path of fixed segments and placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Fixed(String),
    Named(String),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It must begin with a slash.
    #[error("{0:?} does not begin with /")]
    NoSlash(String),
    /// A query cannot be part of it.
    #[error("{0:?} holds a query or a fragment; routes match on the path alone")]
    Query(String),
    /// Braces must enclose a whole segment.
    #[error("the segment {0:?} is neither fixed text nor one {{name}}")]
    Segment(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let Some(path) = text.strip_prefix('/') else { return Err(TemplateError::NoSlash(text.to_owned())) };
        if path.contains(['?', '#']) {
            return Err(TemplateError::Query(text.to_owned()));
        }
        let segment = |part: &str| {
            let name = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match name {
                Some(name) if !name.is_empty() && !name.contains(['{', '}']) => Ok(Segment::Named(name.to_owned())),
                None if !part.contains(['{', '}']) => Ok(Segment::Fixed(part.to_owned())),
                _ => Err(TemplateError::Segment(part.to_owned())),
            }
        };
        Ok(Self { segments: path.split('/').map(segment).collect::<Result<_, _>>()? })
    }

    /// Whether a path, without its query, has this form. Segments are compared as they were sent: nothing is decoded.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut parts = path.split('/');
        let all = self.segments.iter().all(|segment| match (segment, parts.next()) {
            (Segment::Fixed(text), Some(part)) => text == part,
            (Segment::Named(_), Some(part)) => !part.is_empty(),
            (_, None) => false,
        });
        all && parts.next().is_none()
    }

    /// Whether it has a placeholder of this name.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    /// What stands for a placeholder in a path that matches, as it was sent.
    #[must_use]
    pub fn named<'path>(&self, name: &str, path: &'path str) -> Option<&'path str> {
        path.strip_prefix('/')?.split('/').nth(self.place(name)?)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.segments.iter().position(|segment| matches!(segment, Segment::Named(text) if text == name))
    }
}

/// The index of the first route that matches.
#[must_use]
pub fn find(routes: &[Route], method: &str, path: &str) -> Option<usize> {
    routes.iter().position(|route| route.method == method && route.template.matches(path))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route(name: &str, method: &str, path: &str) -> Route {
        let template = Template::parse(path).expect("a template");
        Route { name: name.to_owned(), method: method.to_owned(), template, safe: true }
    }

    #[test]
    fn the_first_route_of_method_and_path_wins() {
        let routes = [
            route("mine", "GET", "/v1/users/me/balance"),
            route("balance", "GET", "/v1/users/{user_id}/balance"),
            route("recharge", "POST", "/v1/users/{user_id}/recharges"),
        ];
        assert_eq!(find(&routes, "GET", "/v1/users/me/balance"), Some(0));
        assert_eq!(find(&routes, "GET", "/v1/users/u1/balance"), Some(1));
        assert_eq!(find(&routes, "POST", "/v1/users/u1/recharges"), Some(2));
        assert_eq!(find(&routes, "POST", "/v1/users/u1/balance"), None);
    }

    #[test]
    fn a_placeholder_takes_exactly_one_segment_with_something_in_it() {
        let template = Template::parse("/v1/users/{user_id}/balance").expect("a template");
        assert!(template.matches("/v1/users/a%2Fb/balance"));
        for path in
            ["/v1/users//balance", "/v1/users/a/b/balance", "/v1/users/a/balance/", "/v1/users/a", "v1/users/a/balance"]
        {
            assert!(!template.matches(path), "{path}");
        }
    }

    #[test]
    fn a_placeholder_is_found_by_its_name() {
        let template = Template::parse("/v1/{kind}/{user_id}/balance").expect("a template");
        assert_eq!(template.named("user_id", "/v1/users/a%2Fb/balance"), Some("a%2Fb"));
        assert_eq!(template.named("kind", "/v1/users/u1/balance"), Some("users"));
        assert!(template.named("balance", "/v1/users/u1/balance").is_none() && !template.names("balance"));
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_reason() {
        assert_eq!(Template::parse("fib"), Err(TemplateError::NoSlash("fib".to_owned())));
        assert_eq!(Template::parse("/fib?n=1"), Err(TemplateError::Query("/fib?n=1".to_owned())));
        assert_eq!(Template::parse("/a/x{b}"), Err(TemplateError::Segment("x{b}".to_owned())));
        assert_eq!(Template::parse("/a/{}"), Err(TemplateError::Segment("{}".to_owned())));
    }

    proptest! {
        #[test]
        fn any_path_matches_itself_as_a_template(path in "(/[a-z0-9._~-]{1,8}){1,5}") {
            prop_assert!(Template::parse(&path).expect("fixed text").matches(&path));
        }
    }
}
