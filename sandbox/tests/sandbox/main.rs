mod common;
mod control;
mod faults;
mod telegram;
mod whatsapp;
