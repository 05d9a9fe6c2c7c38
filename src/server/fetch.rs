//! What agencies publish, read from where they publish it: bounded in size and time, and no further
//! than where it was said to be.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::agency::registry::Agency;
use crate::agency::source::Source;
use crate::journal::vfs::{DiskVfs, read_whole};

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(10);
/// How long all of it may take.
const WHOLE: Duration = Duration::from_mins(1);

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRead {
    /// Its file is missing, or no file.
    #[error("there is no such file")]
    NoFile,
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    File(io::Error),
    /// It is longer than it may be.
    #[error("it is longer than {0} octets")]
    TooLong(usize),
    /// The server answered with something else.
    #[error("the server answered {0}; redirects are not followed")]
    Status(StatusCode),
    /// The server was not reached, or did not answer in time.
    #[error("{0}")]
    Web(String),
    /// This process cannot ask.
    #[error("this process cannot ask: {0}")]
    Here(String),
}

/// Octets to be read, and the servers that are believed to be the right ones.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Where they are.
    pub(super) source: Source,
    /// How many there may be.
    pub(super) octets_max: usize,
    /// Authorities of the server, DER.
    pub(super) authorities: Vec<Vec<u8>>,
}

impl Wanted {
    /// From a server whose certificate an issuer of the agency's stands for.
    pub(super) fn of(agency: &Agency, source: &Source, octets_max: usize) -> Self {
        let issuers = agency.issuers.iter().map(|(_, der)| der.clone());
        Self {
            source: source.clone(),
            octets_max,
            authorities: issuers.collect(),
        }
    }

    /// Reads them.
    pub(super) async fn read(self) -> Result<Vec<u8>, NotRead> {
        match &self.source {
            Source::File(path) => {
                let (path, most) = (path.clone(), self.octets_max);
                let read = tokio::task::spawn_blocking(move || read_file(Path::new(&path), most));
                let read = read.await;
                read.map_err(|error| NotRead::Here(error.to_string()))?
            }
            Source::Http(url) | Source::Https(url) => {
                let client = client(&self.authorities)?;
                get(&client, url, self.octets_max).await
            }
        }
    }
}

fn read_file(path: &Path, most: usize) -> Result<Vec<u8>, NotRead> {
    // A pipe would be waited for, and a device has no end.
    if !path.is_file() {
        return Err(NotRead::NoFile);
    }
    let octets = u64::try_from(most).unwrap_or(u64::MAX);
    match read_whole(&DiskVfs, path, octets) {
        Ok(content) => content.ok_or(NotRead::NoFile),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(NotRead::TooLong(most)),
        Err(error) => Err(NotRead::File(error)),
    }
}

fn client(authorities: &[Vec<u8>]) -> Result<Client, NotRead> {
    let here = |error: &dyn std::error::Error| NotRead::Here(error.to_string());
    let mut roots = RootCertStore::empty();
    let authorities = authorities
        .iter()
        .map(|der| CertificateDer::from(&**der).into_owned());
    roots.add_parsable_certificates(authorities);
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| here(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
        .build();
    client.map_err(|error| here(&error))
}

async fn get(client: &Client, url: &str, most: usize) -> Result<Vec<u8>, NotRead> {
    let web = |error: reqwest::Error| NotRead::Web(in_words(&error.without_url()));
    let mut answer = client.get(url).send().await.map_err(web)?;
    if answer.status() != StatusCode::OK {
        return Err(NotRead::Status(answer.status()));
    }
    let mut content = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(web)? {
        if content.len() + piece.len() > most {
            return Err(NotRead::TooLong(most));
        }
        content.extend_from_slice(&piece);
    }
    Ok(content)
}

/// An error with what caused it: the outermost alone says that a request failed.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What is read of a server that answers with this.
    fn answered(answer: &'static str) -> Result<Vec<u8>, NotRead> {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let url = format!("http://{}/a.crl", listener.local_addr().unwrap());
            let serve = async {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut asked = [0; 512];
                assert!(socket.read(&mut asked).await.unwrap() > 0);
                // One that reads no further is gone before it is told all.
                drop(socket.write_all(answer.as_bytes()).await);
            };
            let wanted = Wanted {
                source: Source::Http(url),
                octets_max: 8,
                authorities: Vec::new(),
            };
            tokio::join!(wanted.read(), serve).0
        })
    }

    #[test]
    fn what_is_too_long_moved_or_missing_is_not_read() {
        let read = answered("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n12345678");
        assert_eq!(read.unwrap(), b"12345678");
        let read = answered("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789");
        assert!(matches!(read, Err(NotRead::TooLong(8))), "{read:?}");
        let read = answered("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n");
        assert!(
            matches!(read, Err(NotRead::Status(StatusCode::FOUND))),
            "{read:?}"
        );
        let read = answered("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n1234");
        assert!(matches!(read, Err(NotRead::Web(_))), "{read:?}");
    }

    #[test]
    fn a_file_is_read_and_nothing_that_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.crl");
        assert!(matches!(read_file(&path, 8), Err(NotRead::NoFile)));
        assert!(matches!(read_file(folder.path(), 8), Err(NotRead::NoFile)));
        assert!(matches!(
            read_file(Path::new("/dev/zero"), 8),
            Err(NotRead::NoFile)
        ));
        crate::config::write_text(&path, b"12345678").unwrap();
        assert_eq!(read_file(&path, 8).unwrap(), b"12345678");
        assert!(matches!(read_file(&path, 7), Err(NotRead::TooLong(7))));
    }
}
