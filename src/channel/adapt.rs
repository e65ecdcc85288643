//! What a channel does not carry becomes something it does: the same content, profile in
//! hand, in other words. Nothing is asked and nothing sent.

mod cut;
mod interactive;
mod wording;

use super::Invalid;
use super::profile::{Limit, Profile, Refused};
use crate::model::content::{Card, Cards, Contacts, Content, LIKE_HEART, Media, Reply, Text};
use cut::cut;

/// Most choices that are numbered.
const MOST_CHOICES: usize = 100;
/// Characters of the longest id of a choice that is numbered; a channel with buttons has a
/// limit of its own.
const LONGEST_ID: usize = 1_000;

/// How choices are told.
const NUMBERED: &str = "are numbered: the answer is a number or a title";

/// Fields that no customer sees: no words take their place.
const IDS: [&str; 4] = [
    "buttons.id",
    "list.rows.id",
    "cards.buttons.id",
    "referenceId",
];

/// What a content becomes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adaptation {
    /// Messages that the channel carries, in their order.
    pub contents: Vec<Content>,
    /// Where the content was changed, and how; none where it fits as it is.
    pub changes: Vec<Invalid>,
    /// What was numbered, in order: a customer answers with the number or the title.
    pub choices: Vec<Reply>,
}

/// Makes of a content what the channel carries. Refused is what no words can stand for: a
/// sign, an id that is too long, and what is wrong on any channel. Pointers are relative to
/// the content.
pub fn adapt(profile: &Profile, content: &Content) -> Result<Adaptation, Refused> {
    let Err(refused) = profile.check(content) else {
        return Ok(Adaptation {
            contents: vec![content.clone()],
            ..Adaptation::default()
        });
    };
    content
        .check()
        .map_err(|wrong| Refused::Invalid(Invalid::new(wrong.pointer, wrong.detail)))?;
    check_ids(profile, content)?;
    let mut draft = Draft {
        profile,
        adapted: Adaptation::default(),
    };
    match content {
        Content::Text(_) => draft.put(content.clone()),
        Content::Image(media)
        | Content::Video(media)
        | Content::Audio(media)
        | Content::Document(media)
        | Content::Sticker(media) => draft.file(content, media),
        Content::Location(location) => draft.told(wording::location(location)),
        Content::Contacts(cards) => draft.contacts(content, cards),
        Content::Interactive(interactive) => draft.interactive(interactive)?,
        Content::Cards(cards) => draft.cards(content, cards),
        Content::Template(template) => draft.told(template.text.clone()),
        Content::PaymentRequest(request) => draft.told(wording::payment(request)),
        Content::OrderStatus(status) => draft.told(wording::order(status)),
        Content::Reaction(_)
        | Content::MarkSeen(_)
        | Content::Typing(_)
        | Content::Reply(_)
        | Content::Order(_)
        | Content::Unsupported(_) => return Err(refused),
    }
    draft.finished(content)
}

/// Refuses an id that is longer than the channel's, or where it has none than is kept.
fn check_ids(profile: &Profile, content: &Content) -> Result<(), Refused> {
    let mut misfits = profile.misfits(content).into_iter();
    if let Some((_, refused)) = misfits.find(|(field, _)| IDS.contains(field)) {
        return Err(refused);
    }
    for measure in content.measures() {
        if IDS.contains(&measure.field) {
            profile.check_measure(Limit::Characters(LONGEST_ID), &measure)?;
        }
    }
    Ok(())
}

struct Draft<'a> {
    profile: &'a Profile,
    adapted: Adaptation,
}

impl Draft<'_> {
    fn fits(&self, content: &Content) -> bool {
        self.profile.check(content).is_ok()
    }

    fn put(&mut self, content: Content) {
        self.adapted.contents.push(content);
    }

    fn changed(&mut self, pointer: &str, detail: impl Into<String>) {
        self.adapted.changes.push(Invalid::new(pointer, detail));
    }

    /// All of a content as one text.
    fn told(&mut self, text: String) {
        self.changed("/type", "is told as text");
        self.put(Content::text_of(text));
    }

    /// A choice's line, with the next number.
    fn numbered(&mut self, id: &str, title: &str, description: Option<&String>) -> String {
        self.adapted.choices.push(Reply {
            id: id.to_owned(),
            title: title.to_owned(),
            description: description.cloned(),
        });
        let (number, title) = (self.adapted.choices.len(), title.trim());
        match description {
            Some(description) => format!("{number}. {title} - {description}"),
            None => format!("{number}. {title}"),
        }
    }

    /// A button's line: a choice, or a page.
    fn button(&mut self, id: Option<&str>, title: &str, url: Option<&str>) -> String {
        match url {
            Some(url) => wording::link(title, url),
            None => self.numbered(id.unwrap_or_default(), title, None),
        }
    }

    /// A file as it is, without its caption, as a picture, or by where it is.
    fn file(&mut self, content: &Content, media: &Media) {
        let is_heart = media.url == LIKE_HEART;
        let is_sticker = matches!(content, Content::Sticker(_)) && !is_heart;
        let picture = is_sticker.then(|| Content::Image(media.clone()));
        for candidate in [Some(content.clone()), picture].into_iter().flatten() {
            let whole = self.fits(&candidate).then(|| (candidate.clone(), None));
            let bare = || {
                let (bare, caption) = candidate.without_caption()?;
                self.fits(&bare).then_some((bare, Some(caption)))
            };
            let Some((carried, caption)) = whole.or_else(bare) else {
                continue;
            };
            if carried.kind() != content.kind() {
                self.changed("/type", "is sent as an image");
            }
            self.put(carried);
            if let Some(caption) = caption {
                self.changed("/caption", "follows as a message of its own");
                self.put(Content::text_of(caption));
            }
            return;
        }
        let text = if is_heart {
            self.changed("/url", "is told as an emoji");
            wording::lines(["❤️".to_owned()].into_iter().chain(media.caption.clone()))
        } else {
            self.changed("/url", "is told as a link");
            wording::file(media)
        };
        self.put(Content::text_of(text));
    }

    /// As many at a time as the channel carries, or one text.
    fn contacts(&mut self, content: &Content, cards: &Contacts) {
        let Some(most) = self.most(content, "contacts") else {
            return self.told(wording::contacts(cards));
        };
        self.changed("/contacts", "are several messages");
        for some in cards.contacts.chunks(most) {
            let contacts = some.to_vec();
            self.put(Content::Contacts(Contacts { contacts }));
        }
    }

    /// How many items the channel carries at a time, if it carries any.
    fn most(&self, content: &Content, field: &str) -> Option<usize> {
        if let Limit::Items(most) = self.profile.limit(content.kind(), field)? {
            Some(most.max(1))
        } else {
            None
        }
    }

    /// As many at a time as the channel carries, or each as a picture with its text.
    fn cards(&mut self, content: &Content, cards: &Cards) {
        let most = self.most(content, "cards").unwrap_or(cards.cards.len());
        let some = cards.cards.chunks(most).map(|some| {
            let cards = some.to_vec();
            Content::Cards(Cards { cards })
        });
        let some: Vec<Content> = some.collect();
        if some.iter().all(|some| self.fits(some)) {
            self.changed("/cards", "are several messages");
            return self.adapted.contents.extend(some);
        }
        self.changed("/cards", "are a message each, told as text");
        for card in &cards.cards {
            self.card(card);
        }
        if !self.adapted.choices.is_empty() {
            self.changed("/cards", format!("have buttons that {NUMBERED}"));
        }
    }

    fn card(&mut self, card: &Card) {
        let mut told = vec![card.title.clone()];
        told.extend(card.subtitle.clone());
        for button in &card.buttons {
            told.push(self.button(button.id.as_deref(), &button.title, button.url.as_deref()));
        }
        let text = wording::lines(told);
        let Some(url) = &card.image_url else {
            return self.put(Content::text_of(text));
        };
        let mut media = Media {
            url: url.clone(),
            ..Media::default()
        };
        let bare = Content::Image(media.clone());
        media.caption = Some(text.clone());
        let captioned = Content::Image(media);
        let is_apart = self.profile.limit("image", "caption") == Some(Limit::Apart);
        if self.fits(&captioned) && !is_apart {
            self.put(captioned);
        } else if self.fits(&bare) {
            self.put(bare);
            self.put(Content::text_of(text));
        } else {
            self.put(Content::text_of(wording::lines([text, url.clone()])));
        }
    }

    /// Cuts texts that are too long, and refuses what would be too much.
    fn finished(mut self, content: &Content) -> Result<Adaptation, Refused> {
        let limit = self.profile.limit("text", "text");
        let is_text = matches!(content, Content::Text(_));
        let pointer = if is_text { "/text" } else { "" };
        for part in std::mem::take(&mut self.adapted.contents) {
            let (Content::Text(text), Some(limit), false) = (&part, limit, self.fits(&part)) else {
                self.put(part);
                continue;
            };
            let texts = cut(&text.text, limit);
            self.changed(pointer, format!("is cut into {} messages", texts.len()));
            for cut in texts {
                self.put(Content::Text(Text {
                    text: cut,
                    preview_url: text.preview_url,
                }));
            }
        }
        match self.adapted.choices.len() {
            0..=MOST_CHOICES => Ok(self.adapted),
            many => Err(Refused::Invalid(Invalid::new(
                "",
                format!("must offer at most {MOST_CHOICES} choices to be numbered; it has {many}"),
            ))),
        }
    }
}
