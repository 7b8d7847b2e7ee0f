//! The statuses that this server answers.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok = 200,
    BadRequest = 400,
    NotFound = 404,
    MethodNotAllowed = 405,
    RequestTimeout = 408,
    ContentTooLarge = 413,
    TargetTooLong = 414,
    ExpectationFailed = 417,
    HeadTooLarge = 431,
    NotImplemented = 501,
    VersionNotSupported = 505,
}

impl Status {
    /// Returns the first line of a response.
    pub(crate) const fn line(self) -> &'static str {
        match self {
            Self::Ok => "HTTP/1.1 200 OK\r\n",
            Self::BadRequest => "HTTP/1.1 400 Bad Request\r\n",
            Self::NotFound => "HTTP/1.1 404 Not Found\r\n",
            Self::MethodNotAllowed => "HTTP/1.1 405 Method Not Allowed\r\n",
            Self::RequestTimeout => "HTTP/1.1 408 Request Timeout\r\n",
            Self::ContentTooLarge => "HTTP/1.1 413 Content Too Large\r\n",
            Self::TargetTooLong => "HTTP/1.1 414 URI Too Long\r\n",
            Self::ExpectationFailed => "HTTP/1.1 417 Expectation Failed\r\n",
            Self::HeadTooLarge => "HTTP/1.1 431 Request Header Fields Too Large\r\n",
            Self::NotImplemented => "HTTP/1.1 501 Not Implemented\r\n",
            Self::VersionNotSupported => "HTTP/1.1 505 HTTP Version Not Supported\r\n",
        }
    }

    /// Returns the words of an error, as the body of its response: `404 Not Found` and a line end.
    pub(crate) fn text(self) -> &'static str {
        let (_, text) = self.line().split_once(' ').expect("each line has a space");
        text
    }

    /// Returns the hundreds of the number.
    pub(crate) const fn class(self) -> usize {
        self as usize / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_number() {
        for status in [
            Status::Ok,
            Status::NotFound,
            Status::HeadTooLarge,
            Status::VersionNotSupported,
        ] {
            assert!(
                status
                    .line()
                    .starts_with(&format!("HTTP/1.1 {} ", status as u16))
            );
            assert_eq!(status.text(), &status.line()["HTTP/1.1 ".len()..]);
        }
        assert_eq!(Status::HeadTooLarge.class(), 4);
    }
}
