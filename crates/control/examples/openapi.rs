//! Writes the API's description to the file that is named, for `cargo xtask openapi`. Knows nothing of what it describes.

fn main() -> std::io::Result<()> {
    let text = serinus_control::openapi();
    match std::env::args().nth(1) {
        Some(file) => std::fs::write(file, text),
        None => std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()),
    }
}
