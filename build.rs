//! Makes the JSON that `GET /openapi.json` answers from `openapi.yaml`.

use std::error::Error;
use std::path::Path;

const SOURCE: &str = "openapi.yaml";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SOURCE}");
    let api: serde_json::Value = serde_saphyr::from_str(&std::fs::read_to_string(SOURCE)?)?;
    let made = Path::new(&std::env::var("OUT_DIR")?).join("openapi.json");
    std::fs::write(made, serde_json::to_vec(&api)?)?;
    Ok(())
}
