//! Which requests may leave?
//!
//! Every request of every store passes here, those for credentials too. Over TLS it may go
//! anywhere; in the clear only to this machine, to the address at which a cloud tells a machine its
//! own credentials, and where the environment allows it by name. What goes in the clear passes no
//! proxy. A redirect is held to the same.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use reqwest::redirect::{Attempt, Policy};
use rustls_platform_verifier::BuilderVerifierExt;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may be silent. There is no limit on a whole answer: it may be long.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(20);

/// More redirects than this lead nowhere.
const MOST_REDIRECTS: usize = 5;

/// What stopped a request from leaving.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error("it would travel in the clear")]
    InTheClear,
    #[error("TLS cannot be set up")]
    NoTls,
}

/// Whether requests in the clear may go anywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum InTheClear {
    /// To this machine and its cloud's address only.
    Near,
    /// Anywhere: somebody allowed it.
    Anywhere,
}

/// Makes clients that know which requests may leave.
#[derive(Debug)]
pub(super) struct Connector(pub(super) InTheClear);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = tls_without_roots()
            .and_then(|tls| base(self.0).no_proxy().tls_backend_preconfigured(tls).build().ok());
        let failed =
            || object_store::Error::Generic { store: "http", source: Box::new(Stopped::NoTls) };
        let plain = plain.ok_or_else(failed)?;
        Ok(HttpClient::new(Guard { in_the_clear: self.0, plain, secure: OnceLock::new() }))
    }
}

/// Sends what may leave.
#[derive(Debug)]
struct Guard {
    in_the_clear: InTheClear,
    plain: reqwest::Client,
    /// Made when it is needed: it reads the system's certificates.
    secure: OnceLock<Option<reqwest::Client>>,
}

#[async_trait::async_trait]
impl HttpService for Guard {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let stop = |why| Err(HttpError::new(HttpErrorKind::Unknown, why));
        let uri = request.uri();
        if uri.scheme_str() == Some("https") {
            return match self.secure.get_or_init(|| secure(self.in_the_clear)) {
                Some(client) => client.call(request).await,
                None => stop(Stopped::NoTls),
            };
        }
        if may_leave(uri.host().unwrap_or_default(), self.in_the_clear) {
            self.plain.call(request).await
        } else {
            stop(Stopped::InTheClear)
        }
    }
}

fn base(in_the_clear: InTheClear) -> reqwest::ClientBuilder {
    let follow = move |attempt: Attempt<'_>| {
        let url = attempt.url();
        let may_leave =
            url.scheme() == "https" || may_leave(url.host_str().unwrap_or_default(), in_the_clear);
        if may_leave && attempt.previous().len() <= MOST_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    };
    reqwest::Client::builder()
        .user_agent(concat!("phonematch/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE_TIMEOUT)
        .redirect(Policy::custom(follow))
}

/// A client that trusts whom the system trusts.
fn secure(in_the_clear: InTheClear) -> Option<reqwest::Client> {
    let tls = tls()?.with_platform_verifier().ok()?.with_no_client_auth();
    base(in_the_clear).tls_backend_preconfigured(tls).build().ok()
}

/// For a client that speaks in the clear alone: it trusts nobody.
fn tls_without_roots() -> Option<rustls::ClientConfig> {
    let nobody = rustls::RootCertStore::empty();
    Some(tls()?.with_root_certificates(nobody).with_no_client_auth())
}

/// TLS 1.2 and 1.3 by `ring`, of this client alone: nothing is set for the whole process.
fn tls() -> Option<rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    builder.with_protocol_versions(rustls::ALL_VERSIONS).ok()
}

fn may_leave(host: &str, in_the_clear: InTheClear) -> bool {
    if in_the_clear == InTheClear::Anywhere {
        return true;
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        // Besides ::1 the address at which EKS tells a pod its credentials.
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]
        }
        Err(_) => matches!(host, "localhost" | "metadata.google.internal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_hosts_are_spoken_to_in_the_clear() {
        for near in ["127.0.0.1", "127.1.2.3", "[::1]", "localhost", "169.254.169.254"] {
            assert!(may_leave(near, InTheClear::Near), "{near}");
        }
        let far = ["10.0.0.1", "192.168.1.1", "[2001:db8::1]", "localhost.example.com", ""];
        for far in far {
            assert!(!may_leave(far, InTheClear::Near), "{far}");
            assert!(may_leave(far, InTheClear::Anywhere), "{far}");
        }
    }

    #[test]
    fn tls_can_be_set_up() {
        assert!(tls_without_roots().unwrap().crypto_provider().cipher_suites.len() > 5);
    }
}
