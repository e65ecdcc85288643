//! Files that customers send by MMS: at Twilio's own address, which asks for the account's
//! credentials and leads on to another host, which must not see them.
//! <https://www.twilio.com/docs/messaging/api/media-resource>

use super::super::file::{self, get, is_at};
use super::super::{Origins, Reason, SendError};
use super::basic;
use crate::model::channel::Channel;
use bytes::Bytes;
use http::{Request, Response};

pub struct Files;

impl file::Files for Files {
    fn locate(&self, _: &Origins, _: &Channel, _: &str) -> Option<Request<Bytes>> {
        None
    }

    fn located(&self, _: &Response<Bytes>) -> Result<String, SendError> {
        Err(SendError::Rejected(Reason {
            code: "not_found",
            provider_code: None,
            message: "Twilio names files by their address.".to_owned(),
        }))
    }

    fn download(
        &self,
        origins: &Origins,
        channel: &Channel,
        address: &str,
    ) -> Option<Request<Bytes>> {
        let basic = basic(&channel.credentials);
        is_at(address, &origins.twilio).then(|| get(address, Some(&basic)))?
    }
}
