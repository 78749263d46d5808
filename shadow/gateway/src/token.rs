//! The operators' token: read from a file that nobody else may read, compared in constant time.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq as _;

const SHORTEST: usize = 16;

/// A secret; its text is never shown.
pub struct Token(String);

/// Why a file gives no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("token_file: {path}: {fault}", path = .0.display(), fault = .1)]
    Unreadable(PathBuf, std::io::Error),
    /// Others may read it.
    #[error("token_file: {path} has mode {mode:03o}: others may read it; run chmod 600", path = .0.display(), mode = .1)]
    Open(PathBuf, u32),
    /// What it holds is no token.
    #[error("token_file: {path} must hold one line of at least {SHORTEST} visible characters", path = .0.display())]
    Unfit(PathBuf),
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token")
    }
}

impl Token {
    /// Reads a token; white space around it is not part of it.
    ///
    /// # Errors
    /// [`TokenError`]: the file is missing, open to others, or holds no token.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let unreadable = |fault| TokenError::Unreadable(path.to_owned(), fault);
        let mode = std::fs::metadata(path).map_err(unreadable)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(TokenError::Open(path.to_owned(), mode));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let text = text.trim();
        if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Unfit(path.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether an `Authorization` header bears this token. The time it takes tells nothing but the length.
    #[must_use]
    pub fn is_borne_by(&self, authorization: Option<&[u8]>) -> bool {
        let Some((scheme, offered)) = authorization.and_then(|value| value.split_at_checked("Bearer ".len())) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(offered.ct_eq(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode");
        (folder, path)
    }

    #[test]
    fn a_token_is_borne_by_its_own_header_alone() {
        let (_folder, path) = file("0123456789abcdef\n", 0o600);
        let token = Token::read(&path).expect("a token");
        assert!(token.is_borne_by(Some(b"Bearer 0123456789abcdef")));
        assert!(token.is_borne_by(Some(b"bearer 0123456789abcdef")));
        for other in [&b"Bearer 0123456789abcdeF"[..], b"Bearer ", b"Basic 0123456789abcdef", b"0123456789abcdef", b""]
        {
            assert!(!token.is_borne_by(Some(other)));
        }
        assert!(!token.is_borne_by(None));
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        for mode in [0o640, 0o604, 0o666] {
            let (_folder, path) = file("0123456789abcdef", mode);
            assert!(matches!(Token::read(&path), Err(TokenError::Open(_, found)) if found == mode));
        }
    }

    #[test]
    fn a_short_or_broken_token_and_a_missing_file_are_refused() {
        for text in ["short", "", "0123456789 abcdef", "0123456789abcdef\nmore"] {
            let (_folder, path) = file(text, 0o600);
            assert!(matches!(Token::read(&path), Err(TokenError::Unfit(_))), "{text:?}");
        }
        assert!(matches!(Token::read(Path::new("/nowhere/token")), Err(TokenError::Unreadable(..))));
    }
}
