//! The names of functions in a WebAssembly module, which make its stack traces readable: of our own
//! functions only, without the hashes in them, which say nothing and do not compress.

use wasm_encoder::{Module, NameMap, NameSection, RawSection};
use wasmparser::{BinaryReaderError, KnownCustom, Name, Parser, Payload};

/// In every name of a function of ours.
const OURS: &str = "patchbay";

/// The same module with shorter names of our functions. Other names are left out.
pub fn shorten(wasm: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let Payload::CustomSection(section) = &payload
            && let KnownCustom::Name(names) = section.as_known()
        {
            let mut shortened = NameSection::new();
            for name in names {
                if let Name::Function(functions) = name? {
                    let mut map = NameMap::new();
                    for function in functions {
                        let function = function?;
                        if function.name.contains(OURS) {
                            map.append(function.index, &short(function.name));
                        }
                    }
                    shortened.functions(&map);
                }
            }
            module.section(&shortened);
        } else if let Some((id, range)) = payload.as_section() {
            let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
            let data = wasm.get(at(range.start)..at(range.end)).unwrap_or_default();
            module.section(&RawSection { id, data });
        }
    }
    Ok(module.finish())
}

/// Takes `::h0123456789abcdef` off the end of a name, and `[0123456789abcdef]` out of it.
fn short(name: &str) -> String {
    let is_hash = |hash: &str| hash.len() == 16 && hash.bytes().all(|it| it.is_ascii_hexdigit());
    let name = match name.rsplit_once("::h") {
        Some((bare, hash)) if is_hash(hash) => bare,
        _ => name,
    };
    let mut short = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, bracketed)) = rest.split_once('[') {
        short.push_str(before);
        rest = match bracketed.split_once(']') {
            Some((hash, after)) if is_hash(hash) => after,
            _ => {
                short.push('[');
                bracketed
            }
        };
    }
    short.push_str(rest);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_loses_its_hashes_and_nothing_else() {
        for (name, expected) in [
            (
                "patchbay::api::handle::h3eb2be868edb2fc1",
                "patchbay::api::handle",
            ),
            ("core[c5930c85a12de822]::fmt::write", "core::fmt::write"),
            (
                "<[u8] as core::hash::Hash>::hash",
                "<[u8] as core::hash::Hash>::hash",
            ),
            ("a::handle", "a::handle"),
            ("[", "["),
            ("", ""),
        ] {
            assert_eq!(short(name), expected);
        }
    }

    #[test]
    fn the_module_stays_the_same_but_for_its_names() {
        let mut names = NameMap::new();
        names.append(0, "patchbay::b::h0123456789abcdef");
        names.append(1, "core::fmt::write");
        let mut section = NameSection::new();
        section.functions(&names);
        let mut module = Module::new();
        // One type: a function of nothing that gives nothing.
        let types = [1, 0x60, 0, 0];
        module.section(&RawSection {
            id: 1,
            data: &types,
        });
        module.section(&section);
        let shortened = shorten(&module.finish()).expect("a module");
        let text = String::from_utf8_lossy(&shortened);
        assert!(text.contains("patchbay::b") && !text.contains("0123456789abcdef"));
        assert!(!text.contains("core::fmt"));
        assert!(shortened.windows(types.len()).any(|it| it == types));
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        assert!(shorten(b"not a module").is_err());
    }
}
