//! The errors of TLS in words.

use std::error::Error as StdError;
use std::fmt::{self, Write};
use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use crate::net::error::Error;

#[derive(Debug)]
struct TlsError {
    text: String,
    source: rustls::Error,
}

impl fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl StdError for TlsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

pub(super) fn cannot_begin(source: rustls::Error) -> Error {
    let text = format!("TLS cannot begin: {source}");
    Error::with_code(Error::INVALID_ARGUMENT, TlsError { text, source })
}

/// Returns the error of a failed connection. `name` is the name that the peer has to have.
#[cold]
pub(super) fn failed(source: rustls::Error, is_handshaking: bool, name: Option<&str>) -> Error {
    let code = match &source {
        rustls::Error::InvalidCertificate(error) => code_of_certificate(error),
        _ if is_handshaking => Error::TLS_HANDSHAKE,
        _ => Error::TLS_PROTOCOL,
    };
    let mut text = match is_handshaking {
        true => "handshake failed: ".to_owned(),
        false => "TLS failed: ".to_owned(),
    };
    match &source {
        rustls::Error::InvalidCertificate(error) => text += &certificate(error, name),
        rustls::Error::AlertReceived(alert) => text += &received(*alert),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) if is_handshaking => {
            text += "the peer sends bytes that are no TLS";
        }
        rustls::Error::InvalidMessage(kind) => {
            text += "the peer sends a corrupt message: ";
            text += &words_of(kind);
        }
        rustls::Error::PeerIncompatible(reason) => {
            text += "the peer is incompatible: ";
            text += &words_of(reason);
        }
        rustls::Error::PeerMisbehaved(reason) => {
            text += "the peer misbehaves: ";
            text += &words_of(reason);
        }
        rustls::Error::NoApplicationProtocol => {
            text += "the peer offers no protocol of this side (ALPN)";
        }
        other => {
            // A write to a `String` does not fail.
            let _ = write!(text, "{other}");
        }
    }
    Error::with_code(code, TlsError { text, source })
}

/// Returns the error of a peer that sends a longer message than rustls accepts.
#[cold]
pub(super) fn overlong(source: &io::Error, is_handshaking: bool) -> Error {
    match is_handshaking {
        true => Error::with_code(Error::TLS_HANDSHAKE, format!("handshake failed: {source}")),
        false => Error::with_code(Error::TLS_PROTOCOL, format!("TLS failed: {source}")),
    }
}

/// Returns the error of a peer that has sent a FIN without a close_notify.
#[cold]
pub(super) fn truncated(is_handshaking: bool) -> Error {
    match is_handshaking {
        true => Error::with_code(
            Error::TLS_HANDSHAKE,
            "handshake failed: the peer has closed the connection within it",
        ),
        false => Error::with_code(
            Error::TLS_TRUNCATED,
            "the peer has ended without a close_notify: what it has sent may be a part",
        ),
    }
}

/// Returns the error of a side whose keys must not encrypt further records.
#[cold]
pub(super) fn used_up() -> Error {
    let text = "TLS failed: the keys of this side are used up, and TLS 1.2 cannot renew them";
    Error::with_code(Error::TLS_PROTOCOL, text)
}

/// Returns Node's error code for a refused certificate, or `ERR_TLS_HANDSHAKE` for a rarer reason.
fn code_of_certificate(error: &CertificateError) -> &'static str {
    use CertificateError as It;
    match error {
        It::Expired | It::ExpiredContext { .. } => "CERT_HAS_EXPIRED",
        It::NotValidYet | It::NotValidYetContext { .. } => "CERT_NOT_YET_VALID",
        It::Revoked => "CERT_REVOKED",
        It::UnknownIssuer => "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        It::BadSignature => "CERT_SIGNATURE_FAILURE",
        It::NotValidForName | It::NotValidForNameContext { .. } => "ERR_TLS_CERT_ALTNAME_INVALID",
        _ => Error::TLS_HANDSHAKE,
    }
}

fn certificate(error: &CertificateError, name: Option<&str>) -> String {
    use CertificateError as It;
    let of = name.map(|name| format!(" ({name})")).unwrap_or_default();
    let since = |what: &str, time: &UnixTime| match name {
        Some(name) => format!("certificate {what} ({name}, since {})", date(time)),
        None => format!("certificate {what} (since {})", date(time)),
    };
    match error {
        It::Expired => format!("certificate expired{of}"),
        It::ExpiredContext { not_after, .. } => since("expired", not_after),
        It::NotValidYet => format!("certificate not valid yet{of}"),
        It::NotValidYetContext { not_before, .. } => {
            since("not valid yet", not_before).replace("since", "only from")
        }
        It::Revoked => format!("certificate revoked{of}"),
        It::UnknownIssuer => format!("certificate of an issuer that is not trusted{of}"),
        It::BadSignature => format!("certificate with a wrong signature{of}"),
        It::NotValidForName => format!("certificate of another name{of}"),
        It::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "certificate of another name ({}, not {})",
            names(presented),
            expected.to_str()
        ),
        // The name of the error in webpki, such as `CaUsedAsEndEntity`.
        It::Other(other) => format!("certificate refused{of}: {}", words(&other.to_string())),
        other => format!("certificate refused{of}: {other}"),
    }
}

/// Returns the first names of a certificate. The peer has chosen them: for a log, length and number are limited.
fn names(presented: &[String]) -> String {
    const MOST: usize = 3;
    if presented.is_empty() {
        return "no name".to_owned();
    }
    let mut text = String::new();
    for (place, name) in presented.iter().take(MOST).enumerate() {
        if place > 0 {
            text += ", ";
        }
        let inner = name
            .strip_prefix("DnsName(\"")
            .and_then(|name| name.strip_suffix("\")"));
        let name = inner.unwrap_or(name);
        text.extend(name.chars().take(253).flat_map(char::escape_debug));
    }
    if presented.len() > MOST {
        // A write to a `String` does not fail.
        let _ = write!(text, " and {} more", presented.len() - MOST);
    }
    text
}

fn received(alert: AlertDescription) -> String {
    let words = words(&format!("{alert:?}"));
    format!("the peer refuses: {words} (alert {})", u8::from(alert))
}

/// Returns words for the variant of `reason`, without its fields, which may be long and of the peer's choice.
fn words_of(reason: &impl fmt::Debug) -> String {
    let name = format!("{reason:?}");
    let end = name.find(|it: char| !it.is_ascii_alphanumeric());
    words(&name[..end.unwrap_or(name.len())])
}

/// Returns the words of a name such as `UnknownCA`. A text that has spaces stays as it is.
fn words(name: &str) -> String {
    if name.contains(' ') {
        return name.to_owned();
    }
    let mut words = String::new();
    let mut rest = name;
    while !rest.is_empty() {
        let (word, behind) = split_word(rest);
        if !words.is_empty() {
            words.push(' ');
        }
        match word {
            "Tls12" => words += "TLS 1.2",
            "Tls13" => words += "TLS 1.3",
            "Tls" => words += "TLS",
            "Kx" => words += "key exchange",
            word if word.bytes().any(|byte| byte.is_ascii_lowercase()) => {
                words += &word.to_ascii_lowercase();
            }
            word => words += word,
        }
        rest = behind;
    }
    words
}

/// Splits the first word off a name such as `UnknownCA` or `UnknownPSKIdentity`.
fn split_word(name: &str) -> (&str, &str) {
    let is_upper = |place: usize| {
        name.as_bytes()
            .get(place)
            .is_some_and(u8::is_ascii_uppercase)
    };
    let is_lower = |place: usize| {
        name.as_bytes()
            .get(place)
            .is_some_and(u8::is_ascii_lowercase)
    };
    let begins = |place: usize| is_upper(place) && (!is_upper(place - 1) || is_lower(place + 1));
    let end = (1..name.len()).find(|&place| begins(place));
    name.split_at(end.unwrap_or(name.len()))
}

fn date(time: &UnixTime) -> String {
    // The days are counted from 0000-03-01, so that a leap day is the last of its year (Howard Hinnant's algorithm).
    let days = time.as_secs() / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_709_164_799, "2024-02-28"),
            (1_735_689_599, "2024-12-31"),
            (1_735_689_600, "2025-01-01"),
            (4_102_444_800, "2100-01-01"),
        ] {
            assert_eq!(date(&at(seconds)), expected);
        }
    }

    #[test]
    fn errors_of_certificates_are_told_in_words() {
        let expired = CertificateError::ExpiredContext {
            time: at(1_800_000_000),
            not_after: at(1_735_689_600),
        };
        let error = failed(
            rustls::Error::InvalidCertificate(expired),
            true,
            Some("example.org"),
        );
        assert_eq!(
            error.to_string(),
            "handshake failed: certificate expired (example.org, since 2025-01-01)"
        );
        assert_eq!(error.code(), "CERT_HAS_EXPIRED");
        let source = error.io().get_ref().and_then(|inner| inner.source());
        assert!(source.is_some_and(|source| source.is::<rustls::Error>()));
    }

    #[test]
    fn names_of_a_peer_are_few_and_without_control_characters() {
        let dns = |name: &str| format!("DnsName(\"{name}\")");
        assert_eq!(
            names(&[dns("a.org"), "IpAddress(1.2.3.4)".to_owned()]),
            "a.org, IpAddress(1.2.3.4)"
        );
        assert_eq!(names(&[dns("a\nb\x1b[1m")]), "a\\nb\\u{1b}[1m");
        assert_eq!(names(&vec![dns("a"); 1000]), "a, a, a and 997 more");
        assert_eq!(names(&[dns(&"a".repeat(9000))]).len(), 253);
        assert_eq!(names(&[]), "no name");
    }

    #[test]
    fn a_certificate_of_an_authority_is_refused_in_words() {
        let inner: Box<dyn StdError + Send + Sync> = "CaUsedAsEndEntity".into();
        let source = rustls::OtherError(inner.into());
        let error = rustls::Error::InvalidCertificate(CertificateError::Other(source));
        assert_eq!(
            failed(error, true, Some("localhost")).to_string(),
            "handshake failed: certificate refused (localhost): ca used as end entity"
        );
    }

    #[test]
    fn alerts_are_told_in_words_with_their_abbreviations() {
        for (alert, words) in [
            (AlertDescription::UnknownCA, "unknown CA (alert 48)"),
            (
                AlertDescription::UnknownPSKIdentity,
                "unknown PSK identity (alert 115)",
            ),
            (AlertDescription::BadRecordMac, "bad record mac (alert 20)"),
            (
                AlertDescription::NoRenegotiation,
                "no renegotiation (alert 100)",
            ),
        ] {
            assert_eq!(received(alert), format!("the peer refuses: {words}"));
        }
    }

    #[test]
    fn faults_of_a_peer_are_told_in_words() {
        use rustls::{PeerIncompatible, PeerMisbehaved};
        let many = vec![0; 9_000];
        for (source, words) in [
            (
                InvalidMessage::InvalidContentType.into(),
                "the peer sends bytes that are no TLS",
            ),
            (
                InvalidMessage::MissingData("ServerName").into(),
                "the peer sends a corrupt message: missing data",
            ),
            (
                PeerIncompatible::Tls12NotOfferedOrEnabled.into(),
                "the peer is incompatible: TLS 1.2 not offered or enabled",
            ),
            (
                PeerIncompatible::NoKxGroupsInCommon.into(),
                "the peer is incompatible: no key exchange groups in common",
            ),
            (
                PeerMisbehaved::TooManyEmptyFragments.into(),
                "the peer misbehaves: too many empty fragments",
            ),
            (
                rustls::Error::NoApplicationProtocol,
                "the peer offers no protocol of this side (ALPN)",
            ),
        ] {
            let text = failed(source, true, None).to_string();
            assert_eq!(text, format!("handshake failed: {words}"));
        }
        assert_eq!(words_of(&Some(many)), "some", "without the fields");
    }

    #[test]
    fn alerts_are_told_in_words() {
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let error = failed(alert, true, None);
        assert_eq!(
            error.to_string(),
            "handshake failed: the peer refuses: certificate required (alert 116)"
        );
        assert_eq!(error.code(), Error::TLS_HANDSHAKE);
    }
}
