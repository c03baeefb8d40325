//! What is said of an object in a file beside its bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::checksum::{Algorithm, Checksum};
use super::object::{Attributes, Object, Part, SystemHeader};

/// Everything that a put says beside the bytes, and what tells them from others.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Record {
    /// The key; a file's path tells it too, unless it is long.
    pub(super) key: Option<String>,
    content_type: String,
    headers: BTreeMap<SystemHeader, String>,
    user_metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<Checksum>,
    /// Of an object in parts only: that of others is their digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Part>,
    /// Length of the bytes that it is said of, and their CRC64NVME.
    bytes: Option<u64>,
    crc64nvme: Option<String>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            key: None,
            content_type: Attributes::BINARY.content_type.into_owned(),
            headers: BTreeMap::new(),
            user_metadata: BTreeMap::new(),
            checksum: None,
            etag: None,
            parts: Vec::new(),
            bytes: None,
            crc64nvme: None,
        }
    }
}

impl Record {
    pub(super) fn of(key: &str, object: &Object) -> Self {
        let attributes = object.attributes().clone();
        let parts = object.content().parts().to_vec();
        Self {
            key: Some(key.to_owned()),
            content_type: attributes.content_type.into_owned(),
            headers: attributes.headers,
            user_metadata: attributes.user_metadata,
            checksum: attributes.checksum,
            etag: (!parts.is_empty()).then(|| object.etag().to_owned()),
            parts,
            bytes: Some(object.size()),
            crc64nvme: Some(object.content().crc64nvme().to_owned()),
        }
    }

    pub(super) fn to_json(&self) -> Bytes {
        let json = serde_json::to_vec(self);
        json.expect("a record's keys are text").into()
    }

    pub(super) fn of_json(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// Whether it is said of these bytes; one that names none is.
    pub(super) fn is_of(&self, body: &[u8]) -> bool {
        let length = self.bytes.is_none_or(|bytes| bytes == body.len() as u64);
        let named = self.crc64nvme.as_deref();
        length && named.is_none_or(|named| named == Algorithm::Crc64nvme.of([body]))
    }

    pub(super) fn attributes(&self) -> Attributes {
        Attributes {
            content_type: self.content_type.clone().into(),
            headers: self.headers.clone(),
            user_metadata: self.user_metadata.clone(),
            checksum: self.checksum.clone(),
        }
    }
}
