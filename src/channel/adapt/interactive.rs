//! Messages that ask for an answer by a tap, where they cannot be asked as they are.

use super::super::Invalid;
use super::super::profile::Refused;
use super::{Draft, NUMBERED, check_ids, wording};
use crate::model::content::{
    Button, Content, CtaUrl, HeaderKind, Interactive, InteractiveKind, Media, Section,
};

const IS_A_LINE: &str = "is a line of the text";
const PAGES_ARE_LINKS: &str = "that open a page are links in the text";

impl Draft<'_> {
    /// With its buttons, where the channel carries those, else as text.
    pub(super) fn interactive(&mut self, given: &Interactive) -> Result<(), Refused> {
        let (asked, file, changes) = self.framed(given);
        let asked = Content::Interactive(Box::new(asked));
        check_ids(self.profile, &asked)?;
        let is_carried = file.iter().chain([&asked]).all(|part| self.fits(part));
        if !is_carried {
            self.read_out(given);
            return Ok(());
        }
        self.adapted.changes = changes;
        self.adapted.contents.extend(file);
        self.put(asked);
        Ok(())
    }

    /// The same with all in its body that the channel does not carry around it, and the file
    /// that goes before it.
    fn framed(&self, given: &Interactive) -> (Interactive, Option<Content>, Vec<Invalid>) {
        let mut asked = given.clone();
        let mut changes = Vec::new();
        let mut told = vec![given.body.clone()];
        if self.profile.capability(given.capability()).is_none() {
            told.extend(self.without_pages(&mut asked, &mut changes));
        }
        let misfits = self
            .profile
            .misfits(&Content::Interactive(Box::new(asked.clone())));
        let lacks = |part: &str| misfits.iter().any(|(field, _)| field.starts_with(part));
        let mut file = None;
        if lacks("header") {
            file = header_file(given);
            changes.push(header_change(given));
            told.splice(0..0, header_text(given));
            asked.header = None;
        }
        if lacks("footer") {
            told.extend(asked.footer.take());
            changes.push(Invalid::new("/footer", IS_A_LINE));
        }
        asked.body = wording::paragraphs(told);
        (asked, file, changes)
    }

    /// Takes out the buttons that open a page, where the channel carries the others. One
    /// alone is all that the message asks for; else their lines are given back.
    fn without_pages(&self, asked: &mut Interactive, changes: &mut Vec<Invalid>) -> Option<String> {
        let is_page = |button: &Button| button.url.is_some();
        let (pages, others): (Vec<Button>, Vec<Button>) =
            asked.buttons.iter().cloned().partition(is_page);
        let carries = |kind: &str| self.profile.capability(kind).is_some();
        match pages.as_slice() {
            [] => None,
            [
                Button {
                    title,
                    url: Some(url),
                    ..
                },
            ] if others.is_empty() && carries("interactive.ctaUrl") => {
                changes.push(Invalid::new("/buttons", "is the one link of the message"));
                asked.kind = InteractiveKind::CtaUrl;
                asked.buttons.clear();
                asked.cta_url = Some(CtaUrl {
                    text: title.clone(),
                    url: url.clone(),
                });
                None
            }
            several if !others.is_empty() && carries("interactive.buttons") => {
                changes.push(Invalid::new("/buttons", PAGES_ARE_LINKS));
                asked.buttons = others;
                let links = several.iter().filter_map(|button| {
                    let url = button.url.as_ref()?;
                    Some(wording::link(&button.title, url))
                });
                Some(wording::lines(links))
            }
            _ => None,
        }
    }

    /// All of it as text, what can be tapped as numbers and links.
    fn read_out(&mut self, given: &Interactive) {
        if given.header.is_some() {
            self.adapted.changes.push(header_change(given));
        }
        if let Some(file) = header_file(given) {
            let link = file.media().map(wording::file).unwrap_or_default();
            let is_carried = self.fits(&file);
            self.put(if is_carried {
                file
            } else {
                Content::text_of(link)
            });
        }
        let mut told: Vec<String> = header_text(given).into_iter().collect();
        told.push(given.body.clone());
        match given.kind {
            InteractiveKind::Buttons => told.push(self.buttons(&given.buttons)),
            InteractiveKind::List => {
                self.changed("/list", format!("has rows that {NUMBERED}"));
                for section in given.list.iter().flat_map(|list| &list.sections) {
                    told.push(self.section(section));
                }
            }
            InteractiveKind::CtaUrl => {
                self.changed("/ctaUrl", "is a link in the text");
                let page = given.cta_url.as_ref();
                told.extend(page.map(|page| wording::link(&page.text, &page.url)));
            }
            InteractiveKind::LocationRequest => self.changed("/kind", "is told as text"),
        }
        if let Some(footer) = &given.footer {
            self.changed("/footer", IS_A_LINE);
            told.push(footer.clone());
        }
        self.put(Content::text_of(wording::paragraphs(told)));
    }

    fn buttons(&mut self, buttons: &[Button]) -> String {
        let is_page = |button: &&Button| button.url.is_some();
        let pages = buttons.iter().filter(is_page).count();
        if pages > 0 {
            self.changed("/buttons", PAGES_ARE_LINKS);
        }
        if pages < buttons.len() {
            self.changed("/buttons", NUMBERED);
        }
        let lines: Vec<String> = buttons
            .iter()
            .map(|it| self.button(it.id.as_deref(), &it.title, it.url.as_deref()))
            .collect();
        wording::lines(lines)
    }

    fn section(&mut self, section: &Section) -> String {
        let mut lines: Vec<String> = section.title.iter().cloned().collect();
        for row in &section.rows {
            lines.push(self.numbered(&row.id, &row.title, row.description.as_ref()));
        }
        wording::lines(lines)
    }
}

/// What becomes of a header.
fn header_change(interactive: &Interactive) -> Invalid {
    let detail = if header_text(interactive).is_some() {
        IS_A_LINE
    } else {
        "goes before it as a message of its own"
    };
    Invalid::new("/header", detail)
}

/// A file of a header.
fn header_file(interactive: &Interactive) -> Option<Content> {
    let header = interactive.header.as_ref()?;
    let media = Media {
        url: header.url.clone()?,
        filename: header.filename.clone(),
        ..Media::default()
    };
    match header.kind {
        HeaderKind::Text => None,
        HeaderKind::Image => Some(Content::Image(media)),
        HeaderKind::Video => Some(Content::Video(media)),
        HeaderKind::Document => Some(Content::Document(media)),
    }
}

/// A text of a header.
fn header_text(interactive: &Interactive) -> Option<String> {
    let header = interactive.header.as_ref()?;
    match header.kind {
        HeaderKind::Text => header.text.clone(),
        HeaderKind::Image | HeaderKind::Video | HeaderKind::Document => None,
    }
}
