//! Message templates: read from the provider, named by clients, and found again by
//! those names when they are sent.

use super::send::Send;
use super::{Gateway, Ports};
use crate::model::channel::Channel;
use crate::model::template::TemplateRecord;
use crate::model::time::Timestamp;
use crate::store::{DatabaseError, Rows};
use std::rc::Rc;

impl<P: Ports> Gateway<P> {
    /// Takes in the answer to `templates::wanted`: those of the channel.
    pub(super) fn learn_templates(
        &self,
        wanted: Rows,
        channel: &Channel,
        send: &Send,
        now: Timestamp,
    ) -> Result<Vec<Rc<TemplateRecord>>, DatabaseError> {
        let Some(draft) = send.content.template() else {
            return Ok(vec![]);
        };
        let found: Vec<TemplateRecord> = wanted.records()?;
        let own: Vec<Rc<TemplateRecord>> = found
            .into_iter()
            .filter(|template| template.channel_id == channel.id)
            .map(Rc::new)
            .collect();
        // What is not there yet may be synced any moment.
        if !own.is_empty() {
            let wanted = draft.template.clone();
            self.memory
                .keep_templates(channel.id, wanted, own.clone(), now);
        }
        Ok(own)
    }
}
