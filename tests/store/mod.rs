//! Jobs whose inputs and runs are in object stores, and networks that fail.
//!
//! The store is moto's S3 server on this machine, which checks signatures; a proxy of our own before
//! it fails as it is told. What Amazon promises of conditional writes it cannot show. It lives in
//! `target/s3`; `requirements.txt` says which it is.
//!
//! Without the feature `object-store` there is one thing to test: that the program says so.

#[cfg(not(feature = "object-store"))]
mod absent;

#[cfg(feature = "object-store")]
mod inputs;
#[cfg(feature = "object-store")]
mod networks;
#[cfg(feature = "object-store")]
mod proxy;
#[cfg(feature = "object-store")]
mod runs;
#[cfg(feature = "object-store")]
mod stand;
#[cfg(feature = "object-store")]
mod web;
