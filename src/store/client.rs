//! One store, asked by threads that wait.
//!
//! The client is asynchronous and the program is not: requests are sent by a thread of the store's
//! own, and whoever needs an answer waits for it. A read that was begun goes on meanwhile, so a
//! caller can have several under way.

use std::convert::Infallible;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig,
};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::connector::{Connector, InTheClear};
use super::failure::meaning;
use super::url::Scheme;
use super::{Listing, ObjectFacts, ObjectUrl, StoreError};

/// How often a request is sent again, and how long that may go on. A night's job waits out a hiccup
/// and not an outage: a scheduler starts it again.
const RETRIES: usize = 5;
const RETRY_TIMEOUT: Duration = Duration::from_secs(90);

/// Waits between attempts, doubled each time and drawn at random between.
const BACKOFF: BackoffConfig = BackoffConfig {
    init_backoff: Duration::from_millis(100),
    max_backoff: Duration::from_secs(10),
    base: 2.0,
};

/// One bucket, container or host.
pub(crate) struct Store {
    objects: Arc<dyn ObjectStore>,
    scheme: Scheme,
    handle: Handle,
    /// The thread that sends ends when this is gone.
    _sending: oneshot::Sender<Infallible>,
}

impl fmt::Debug for Store {
    /// What its client prints may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

/// A read that was begun. Dropped, it ends.
pub(crate) struct Fetch {
    task: JoinHandle<Result<Bytes, StoreError>>,
    handle: Handle,
}

impl Store {
    /// Gets ready to ask the store at an address; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Settings`] when the environment's settings do not go together.
    pub(crate) fn open(url: &ObjectUrl) -> Result<Self, StoreError> {
        let objects = client(url).map_err(|_| StoreError::Settings)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|_| StoreError::Settings)?;
        let handle = runtime.handle().clone();
        let (sending, ended) = oneshot::channel();
        let send = move || {
            let _ = runtime.block_on(ended);
            // A look-up of a name cannot be broken off, and nobody waits for it any more.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("store".to_owned()).spawn(send);
        thread.map_err(|_| StoreError::Settings)?;
        Ok(Self { objects, scheme: url.scheme(), handle, _sending: sending })
    }

    /// What the store says of an object.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoTag`] when it cannot tell its versions apart; else why it says nothing.
    pub(crate) fn facts(&self, key: &str) -> Result<ObjectFacts, StoreError> {
        let path = self.path(key)?;
        let head = self.wait(self.objects.head(&path));
        let found = head.map_err(|error| meaning(&error))?;
        // A weak tag may stay the same over changes that somebody holds to be none.
        let tag = found.e_tag.filter(|tag| !tag.is_empty() && !tag.starts_with("W/"));
        let modified = SystemTime::from(found.last_modified);
        Ok(ObjectFacts { bytes: found.size, tag: tag.ok_or(StoreError::NoTag)?, modified })
    }

    /// What is directly under a prefix, which ends where a part of a path does.
    ///
    /// # Errors
    ///
    /// Why the store says nothing.
    pub(crate) fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let prefix = (!prefix.is_empty()).then(|| self.path(prefix)).transpose()?;
        let found = self.wait(self.objects.list_with_delimiter(prefix.as_ref()));
        let found = found.map_err(|error| meaning(&error))?;
        Ok(Listing {
            objects: found.objects.into_iter().map(|it| it.location.to_string()).collect(),
            folders: found.common_prefixes.into_iter().map(|it| it.to_string()).collect(),
        })
    }

    /// Begins to read bytes of an object, as long as it has the tag.
    pub(crate) fn fetch(&self, key: &str, tag: &str, range: Range<u64>) -> Fetch {
        let path = self.path(key);
        let objects = Arc::clone(&self.objects);
        let if_match = Some(tag.to_owned());
        let task = self.handle.spawn(async move {
            let options = GetOptions {
                if_match,
                range: Some(GetRange::Bounded(range.clone())),
                ..GetOptions::default()
            };
            let told = |error: object_store::Error| meaning(&error);
            let found = objects.get_opts(&path?, options).await.map_err(told)?;
            let bytes = range.end - range.start;
            let length = usize::try_from(bytes).map_err(|_| StoreError::Broken)?;
            let mut read = BytesMut::with_capacity(length);
            let mut stream = found.into_stream();
            while let Some(part) = stream.next().await {
                read.extend_from_slice(&part.map_err(told)?);
            }
            // A server that breaks off without a word must not pass for the end of the file.
            if read.len() == length { Ok(read.freeze()) } else { Err(StoreError::Broken) }
        });
        Fetch { task, handle: self.handle.clone() }
    }

    pub(super) fn objects(&self) -> &dyn ObjectStore {
        self.objects.as_ref()
    }

    /// Waits for an answer.
    pub(super) fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.handle.block_on(answer)
    }

    /// Has something done meanwhile.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.handle.spawn(work)
    }

    /// A key as the client takes it: of a web address it is percent-encoded.
    pub(super) fn path(&self, key: &str) -> Result<Path, StoreError> {
        let path = match self.scheme {
            Scheme::Https | Scheme::Http => Path::from_url_path(key),
            Scheme::S3 | Scheme::Gs | Scheme::Az => Path::parse(key),
        };
        path.map_err(|_| StoreError::NotFound)
    }
}

impl Fetch {
    /// Waits for the bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Changed`] when the object is another one by now; else why it was not read.
    pub(crate) fn wait(mut self) -> Result<Bytes, StoreError> {
        self.handle.block_on(&mut self.task).unwrap_or(Err(StoreError::Broken))
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn client(url: &ObjectUrl) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retry = || RetryConfig {
        backoff: BACKOFF.clone(),
        max_retries: RETRIES,
        retry_timeout: RETRY_TIMEOUT,
    };
    let connector = |allowed: Option<String>| {
        let is_allowed = allowed.as_deref() == Some("true");
        Connector(if is_allowed { InTheClear::Anywhere } else { InTheClear::Near })
    };
    let allow = ClientConfigKey::AllowHttp;
    Ok(match url.scheme() {
        Scheme::S3 => {
            let builder = AmazonS3Builder::from_env().with_bucket_name(url.root());
            let allowed = builder.get_config_value(&AmazonS3ConfigKey::Client(allow));
            let builder = builder.with_http_connector(connector(allowed)).with_retry(retry());
            Arc::new(builder.build()?)
        }
        Scheme::Gs => {
            let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(url.root());
            let allowed = builder.get_config_value(&GoogleConfigKey::Client(allow));
            let builder = builder.with_http_connector(connector(allowed)).with_retry(retry());
            Arc::new(builder.build()?)
        }
        Scheme::Az => {
            let builder = MicrosoftAzureBuilder::from_env().with_container_name(url.root());
            let allowed = builder.get_config_value(&AzureConfigKey::Client(allow));
            let builder = builder.with_http_connector(connector(allowed)).with_retry(retry());
            Arc::new(builder.build()?)
        }
        scheme @ (Scheme::Https | Scheme::Http) => {
            let base = format!("{}://{}", scheme.name(), url.root());
            let builder = HttpBuilder::new().with_url(base).with_http_connector(connector(None));
            Arc::new(builder.with_retry(retry()).build()?)
        }
    })
}
