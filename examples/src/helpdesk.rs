//! The far end of challenge and response, in a process of its own: whoever has
//! the admin key is not where the token is.

use std::env;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use crescendo_ext::aca::XauthChallenge;
use crescendo_ext::xauth::{XauthCryptogram, XauthKey};

/// Has the helpdesk answer a challenge: the program named in the environment
/// variable `HELPDESK`, such as `tokenctl`, or else this very program, started
/// anew. It is called as `PROGRAM helpdesk respond CHALLENGE --key-fd 0`, and
/// gets the key from its standard input: other users can see arguments.
///
/// # Errors
/// If it can't be started, fails, or answers anything but a response.
pub fn ask(challenge: &XauthChallenge, key: &XauthKey) -> Result<XauthCryptogram> {
    let program = match env::var_os("HELPDESK") {
        Some(program) => program.into(),
        None => env::current_exe()?,
    };
    let mut helpdesk = Command::new(&program)
        .args(["helpdesk", "respond", &challenge.to_string()])
        .args(["--key-fd", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("can't start {}", program.display()))?;
    if let Some(mut stdin) = helpdesk.stdin.take() {
        stdin.write_all(key.to_hex().as_bytes())?;
        stdin.write_all(b"\n")?;
    }
    let answered = helpdesk.wait_with_output()?;
    ensure!(answered.status.success(), "the helpdesk does not answer");
    Ok(XauthCryptogram::from_hex(
        str::from_utf8(&answered.stdout)?.trim(),
    )?)
}

/// Answers a challenge if this program was started by [`ask`] to do that; then
/// there is nothing else to do, and it gives `true`.
///
/// # Errors
/// If what it was given is no challenge, or no key for it.
pub fn answer_if_asked() -> Result<bool> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [helpdesk, respond, challenge, ..] = &arguments[..] else {
        return Ok(false);
    };
    if (helpdesk.as_str(), respond.as_str()) != ("helpdesk", "respond") {
        return Ok(false);
    }
    let challenge = XauthChallenge::from_hex(challenge)?;
    let key = XauthKey::from_hex(&crate::secret_line()?)?;
    println!("{}", *key.cryptogram(&challenge)?.to_hex());
    Ok(true)
}
