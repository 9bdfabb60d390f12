//! A folder of an S3-compatible object store: its objects as they were when the dataset was opened, and nothing else.
//!
//! Every later read asks for the version that was hashed at opening (`If-Match` with its ETag, RFC 9110 section 13.1.1), so that an object that changed
//! fails a query and never mixes into it. Who the node is to the store stands in a file: the machine's environment and its cloud are not asked.

use super::{OpenError, QueryError};
use crate::database::secret::password;
use crate::database::{DatabaseError, Fault, fault};
use async_trait::async_trait;
use datafusion::object_store::aws::{AmazonS3, AmazonS3Builder};
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    Attributes, Certificate, ClientOptions, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    RetryConfig,
};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error as ThisError;

/// Why an object store cannot be used. It names files and objects, never a secret.
#[derive(Debug, ThisError)]
pub enum BucketError {
    /// The bucket's name is none.
    #[error("{0:?} is no name of a bucket: use lower-case letters, digits, points and hyphens")]
    Name(String),
    /// The key's file cannot be used.
    #[error("the key file {} cannot be used: it must be the node's, and hold one line, ID:SECRET", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// The file of certificates holds none.
    #[error("the file {} holds no certificate in PEM form", .0.display())]
    Authorities(PathBuf),
    /// The store did not list the folder.
    #[error("the store does not list the folder: check endpoint, region, bucket, prefix and key_file")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store does not say which version of an object it has.
    #[error("the store gives {0:?} no ETag, so that a change of it would not be noticed: use a store that does")]
    NoVersion(String),
}

/// Where the objects lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The store's address: `https://…`, or `http://…` on this machine.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// The folder in it; empty for the whole bucket.
    pub prefix: String,
    /// A file that holds the access key's id, a colon, and its secret, readable by its owner alone. Read at opening.
    pub key_file: PathBuf,
    /// The certificates (PEM) of further authorities that may have signed the store's.
    pub ca_file: Option<PathBuf>,
}

impl Bucket {
    /// What is wrong with the way to the store and with the key's file.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = fault::of_secret(&self.key_file, "key").into_iter().collect();
        let host = self.endpoint.strip_prefix("http://").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
        let host = host.map(|host| host.rsplit_once(':').map_or(host, |(host, _)| host).trim_matches(['[', ']']));
        let is_here = host.is_some_and(fault::is_this_machine) && !self.endpoint.contains('@');
        if !is_here && !self.endpoint.starts_with("https://") {
            faults.push(Fault::new(
                format!("rows would come from `{}` in plain text, through a network", self.endpoint),
                "give the store's address with https://, and its authorities (ca_file) where this machine does not know them",
            ));
        }
        faults
    }

    /// The folder as it is now.
    pub(super) async fn open(&self) -> Result<Pinned, OpenError> {
        let problem = |problem: BucketError| OpenError::Bucket(problem);
        let is_plain =
            self.bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
        if self.bucket.is_empty() || !is_plain {
            return Err(problem(BucketError::Name(self.bucket.clone())));
        }
        let unusable = |source| problem(BucketError::Key { file: self.key_file.clone(), source });
        let key = password(&self.key_file).map_err(unusable)?;
        let no_key = || std::io::Error::new(std::io::ErrorKind::InvalidData, "it holds no colon");
        let (id, secret) = key.split_once(':').ok_or_else(|| unusable(no_key()))?;
        // plain text has been judged already, by `faults`
        let mut client = ClientOptions::new().with_allow_http(true).with_connect_timeout(Duration::from_secs(10));
        // one that is for no host keeps the client from asking the environment for a proxy
        client = client.with_proxy_url("http://127.0.0.1:9").with_proxy_excludes("*,0.0.0.0/0,::/0");
        if let Some(file) = &self.ca_file {
            let none = || problem(BucketError::Authorities(file.clone()));
            let pem = std::fs::read(file).map_err(|_| none())?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| none())?;
            if certificates.is_empty() {
                return Err(none());
            }
            client = certificates.into_iter().fold(client, ClientOptions::with_root_certificate);
        }
        let retry = RetryConfig { max_retries: 3, retry_timeout: Duration::from_secs(20), ..RetryConfig::default() };
        let store = AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_region(&self.region)
            .with_bucket_name(&self.bucket)
            .with_access_key_id(id)
            .with_secret_access_key(secret)
            .with_client_options(client)
            .with_retry(retry)
            .build()
            .map_err(|error| problem(BucketError::Store(Box::new(error))))?;
        let prefix = Path::from(self.prefix.as_str());
        let objects = list(&store, &prefix).await.map_err(|error| problem(BucketError::Store(Box::new(error))))?;
        if let Some(object) = objects.values().find(|object| object.e_tag.is_none()) {
            return Err(problem(BucketError::NoVersion(object.location.to_string())));
        }
        Ok(Pinned { store: Arc::new(store), bucket: self.bucket.clone(), prefix, objects: Arc::new(objects) })
    }
}

async fn list(store: &AmazonS3, prefix: &Path) -> Result<BTreeMap<Path, ObjectMeta>> {
    let objects = store.list(Some(prefix)).map_ok(|object| (object.location.clone(), object));
    objects.try_collect().await
}

/// The objects of one listing. Copies share them.
#[derive(Clone)]
pub(super) struct Pinned {
    store: Arc<AmazonS3>,
    bucket: String,
    prefix: Path,
    objects: Arc<BTreeMap<Path, ObjectMeta>>,
}

impl Pinned {
    /// The folder in the bucket.
    pub(super) fn prefix(&self) -> &str {
        self.prefix.as_ref()
    }

    /// Its name in the engine's addresses.
    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Every object, by its name below the prefix.
    pub(super) fn names(&self) -> impl Iterator<Item = (String, &Path)> {
        self.objects.keys().filter_map(|path| {
            let parts: Vec<_> = path.prefix_match(&self.prefix)?.collect();
            let name = parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("/");
            Some((name, path))
        })
    }

    /// The size of an object, in bytes.
    pub(super) fn size(&self, path: &Path) -> u64 {
        self.objects.get(path).map_or(0, |object| object.size)
    }

    /// Fails when the folder lists another version of an object, or none.
    pub(super) async fn check(&self, used: &[Path]) -> Result<(), DatabaseError> {
        let now = list(&self.store, &self.prefix).await.map_err(|error| DatabaseError::Failed(Box::new(error)))?;
        let tag =
            |objects: &BTreeMap<Path, ObjectMeta>, path| objects.get(path).and_then(|object| object.e_tag.clone());
        if used.iter().all(|path| tag(&now, path) == tag(&self.objects, path)) {
            Ok(())
        } else {
            Err(QueryError::Changed.failed())
        }
    }
}

/// The client holds the key: neither form says more than what it is.
impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the dataset's bucket")
    }
}

fn denied<T>() -> Result<T> {
    Err(Error::NotSupported { source: "a dataset is read and never written".into() })
}

#[async_trait]
impl ObjectStore for Pinned {
    async fn get_opts(&self, location: &Path, mut options: GetOptions) -> Result<GetResult> {
        let Some(object) = self.objects.get(location) else {
            return Err(Error::NotFound { path: location.to_string(), source: "it is no part of the dataset".into() });
        };
        if options.head {
            let payload = GetResultPayload::Stream(stream::empty().boxed());
            return Ok(GetResult { payload, meta: object.clone(), range: 0..0, attributes: Attributes::new() });
        }
        options.if_match.clone_from(&object.e_tag);
        let found = self.store.get_opts(location, options).await?;
        // a store may not know the condition
        if found.meta.e_tag != object.e_tag {
            return Err(Error::Precondition { path: location.to_string(), source: "it is another version".into() });
        }
        Ok(found)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned().unwrap_or_default();
        let objects = self.objects.values().filter(|object| object.location.prefix_matches(&prefix)).cloned().map(Ok);
        stream::iter(objects.collect::<Vec<_>>()).boxed()
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Path>) -> Result<ListResult> {
        denied()
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        denied()
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        denied()
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        stream::iter([denied()]).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        denied()
    }
}
