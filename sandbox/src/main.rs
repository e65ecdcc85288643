//! `patchbay-sandbox [--port 8790]`

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use patchbay_sandbox::Sandbox;

const DEFAULT_PORT: u16 = 8790;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let port = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Some(DEFAULT_PORT),
        (Some("--port"), Some(port)) => port.parse().ok(),
        (Some(_), _) => None,
    };
    let Some(port) = port else {
        eprintln!("usage: patchbay-sandbox [--port {DEFAULT_PORT}]");
        return ExitCode::from(2);
    };
    let sandbox = match Sandbox::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
        Ok(sandbox) => sandbox,
        Err(error) => {
            eprintln!("cannot listen on port {port}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("Sandbox:   {}", sandbox.url());
    println!("Graph:     {}", sandbox.graph_base());
    println!("Instagram: {}", sandbox.instagram_base());
    println!("Telegram:  {}", sandbox.telegram_base());
    println!("Twilio:    {}", sandbox.twilio_base());
    match tokio::signal::ctrl_c().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
