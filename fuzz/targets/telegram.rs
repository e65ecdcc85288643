#![no_main]

use libfuzzer_sys::fuzz_target;
use patchbay::model::channel::ChannelKind;

fuzz_target!(|body: &[u8]| patchbay_fuzz::check_reading(ChannelKind::Telegram, body));
