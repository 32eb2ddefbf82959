//! `virtual`: software tokens in files.

use std::io::Write as _;

use pcsc_transport::Interface;
use piv_apdu::sm::CipherSuite;
use virtual_token::store::{Entry, TokenName, TokenSummary};
use virtual_token::vpcd::{self, Ended, VpcdError};
use virtual_token::{Button, Content, CreateOptions, Profile, Vci};

use crate::certificate_file;
use crate::cli::{
    AuthorityArgs, CreateArgs, InterfaceName, ProfileName, ServeArgs, SuiteName, VirtualCommand,
};
use crate::describe;
use crate::error::{Kind, Report, Result};
use crate::json;
use crate::output::{self, Fields, Output};
use crate::signal;
use crate::source::{store, store_failed};
use crate::table::Table;
use crate::text::{BAD, DIM, NAME, Text};

/// Runs one of the commands under `virtual`.
pub(crate) fn run(command: &VirtualCommand, output: &Output) -> Result {
    match command {
        VirtualCommand::Create(arguments) => create(arguments, output),
        VirtualCommand::List => list(output),
        VirtualCommand::Remove { name } => remove(name, output),
        VirtualCommand::Move { name, to } => move_to(name, *to, output),
        VirtualCommand::Authority(arguments) => authority(arguments, output),
        VirtualCommand::Serve(arguments) => serve(arguments, output),
    }
}

fn create(arguments: &CreateArgs, output: &Output) -> Result {
    let name = name(&arguments.name)?;
    let profile = profile(arguments.profile);
    let content = if arguments.empty {
        Content::Empty
    } else {
        Content::Personal
    };
    let mut options = CreateOptions::default()
        .content(content)
        .yubico(arguments.yubico)
        .pairing_code(arguments.pairing_code);
    options.seed = arguments.seed;
    options.vci = vci(arguments);
    options.extended_length = arguments.extended_length;
    if arguments.unattended {
        options.button = Button::Unattended;
    }
    let store = store()?;
    let made = store
        .create(&name, profile, &options)
        .map_err(|error| store_failed(&error))?;

    // What a token as delivered has is no secret.
    let text = |secret: &[u8]| String::from_utf8_lossy(secret).into_owned();
    let pin = text(profile.factory_pin());
    let puk = profile.factory_puk().map(text);
    let path = store.path(&name).display().to_string();
    if output.json {
        let body = json::VirtualCreate {
            token: token_json(&made, path),
            pin,
            puk,
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    let mut out = output.stdout();
    let title = Text::from("Made the software token ").then(name.as_str(), NAME);
    writeln!(out, "{title}")?;
    let mut fields = Fields::new();
    fields.add("Profile", profile.name());
    fields.add("PIN", Text::from(pin).then(" (as delivered)", DIM));
    fields.add_some(
        "PUK",
        puk.map(|puk| Text::from(puk).then(" (as delivered)", DIM)),
    );
    fields.add("File", path);
    fields.write(&mut out, 2, 8)?;
    for step in next_steps(&name, arguments.vci.is_some() || arguments.pairing_code) {
        writeln!(out, "{}", Text::styled(step, DIM))?;
    }
    out.flush()?;
    Ok(())
}

/// What to do with a token that was made.
fn next_steps(name: &TokenName, has_vci: bool) -> Vec<String> {
    let mut steps = vec![format!(
        "See it with: tokenctl --virtual show --reader {name}"
    )];
    if has_vci {
        steps.extend([
            "And through the air:".to_owned(),
            format!("  tokenctl virtual authority {name} --output {name}.pem"),
            format!("  tokenctl virtual move {name} --to contactless"),
            format!("  tokenctl --virtual show --reader {name} --trust-anchor {name}.pem"),
        ]);
    }
    steps
}

fn list(output: &Output) -> Result {
    let store = store()?;
    let entries = store.list().map_err(|error| store_failed(&error))?;
    if output.json {
        let body = json::VirtualList {
            directory: store.directory().display().to_string(),
            tokens: entries.iter().map(entry_json).collect(),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    if entries.is_empty() {
        output.remark(&Text::styled(
            "No software token yet. Make one: `tokenctl virtual create --profile crescendo-2300 NAME`",
            DIM,
        ));
        return Ok(());
    }
    let mut table = Table::new(&["NAME", "PROFILE", "INTERFACE", "FILE"]);
    for entry in &entries {
        let (profile, interface) = match &entry.token {
            Ok(token) => (
                Text::from(token.profile.name()),
                Text::from(describe::interface(token.interface)),
            ),
            Err(error) => (Text::styled(error.to_string(), BAD), Text::from("")),
        };
        table.row([
            Text::styled(&entry.name, NAME),
            profile,
            interface,
            Text::styled(entry.path.display().to_string(), DIM),
        ]);
    }
    let mut out = output.stdout();
    table.write(&mut out)?;
    out.flush()?;
    Ok(())
}

fn remove(token: &str, output: &Output) -> Result {
    let name = name(token)?;
    store()?
        .remove(&name)
        .map_err(|error| store_failed(&error))?;
    if output.json {
        let name = name.to_string();
        return Ok(output::document(&json::Document::new(
            json::VirtualRemove { name },
        ))?);
    }
    let mut out = output.stdout();
    let line = Text::from("Removed the software token ").then(name.as_str(), NAME);
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

fn move_to(token: &str, to: InterfaceName, output: &Output) -> Result {
    let name = name(token)?;
    let store = store()?;
    let moved = store
        .set_interface(&name, interface(to))
        .map_err(|error| store_failed(&error))?;
    let lies_on = describe::interface(moved.interface);
    if output.json {
        let path = store.path(&name).display().to_string();
        let body = json::VirtualMove {
            token: token_json(&moved, path),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    let mut out = output.stdout();
    let line = Text::from("The software token ")
        .then(name.as_str(), NAME)
        .plain(format!(" lies on its {lies_on} interface now"));
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

/// Writes the certificate that `--trust-anchor` takes for the token.
fn authority(arguments: &AuthorityArgs, output: &Output) -> Result {
    let name = name(&arguments.name)?;
    let der = store()?
        .issuer_certificate(&name)
        .map_err(|error| store_failed(&error))?
        .ok_or_else(|| nobody_vouches(&name))?;
    let pem = token_manager::certificate_pem(&der);
    let file = certificate_file::named(arguments.output.as_deref());
    if let Some(path) = file {
        certificate_file::write(path, pem.as_bytes(), arguments.force)?;
    }
    if output.json {
        let body = json::VirtualAuthority {
            name: name.to_string(),
            output: file.map(|path| path.display().to_string()),
            pem: file.is_none().then_some(pem),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    let Some(path) = file else {
        let mut out = output.stdout();
        out.write_all(pem.as_bytes())?;
        out.flush()?;
        return Ok(());
    };
    output.remark(&Text::from(format!(
        "Certificate of the authority of {name} written to {}",
        path.display()
    )));
    Ok(())
}

fn nobody_vouches(name: &TokenName) -> Report {
    let message = format!(
        "the software token \"{name}\" has no authority: it was made with --empty, or was erased, \
         and has no certificates"
    );
    Report::new(Kind::Other, message).next("Make one that has: `tokenctl virtual create`")
}

/// Keeps the token in the virtual reader until the person or the reader ends it.
fn serve(arguments: &ServeArgs, output: &Output) -> Result {
    let (store, name) = (store()?, name(&arguments.name)?);
    if arguments.contactless {
        store
            .set_interface(&name, Interface::Contactless)
            .map_err(|error| store_failed(&error))?;
    }
    let token = store.load(&name).map_err(|error| store_failed(&error))?;
    let say = |event, text: &str| -> Result {
        if output.json {
            let body = json::VirtualServe {
                name: arguments.name.clone(),
                address: arguments.address.clone(),
                event,
            };
            output::line(&json::Document::new(body))?;
        } else {
            let mut out = output.stdout();
            let line = Text::styled(&arguments.name, NAME).plain(text);
            writeln!(out, "{line}")?;
            out.flush()?;
        }
        Ok(())
    };
    let mut said = Ok(());
    let ended = vpcd::serve(&token, arguments.address.as_str(), |stop| {
        let at_end = stop.clone();
        said = signal::on_interrupt(move || at_end.stop()).and_then(|()| {
            let text = format!(
                " is in the virtual reader at {}. Ctrl-C pulls it out.",
                arguments.address
            );
            say("inserted", &text)
        });
        if said.is_err() {
            stop.stop();
        }
    });
    let ended = ended.map_err(|error| serve_failed(&error))?;
    said?;
    match ended {
        Ended::ReaderGone => Err(Report::new(
            Kind::ServiceUnavailable,
            "the virtual reader went away: pcscd was stopped, or gave the slot to another card",
        )
        .next("Start pcscd again, then serve the token again")
        .into()),
        _ => say("ejected", " was pulled out."),
    }
}

fn serve_failed(error: &VpcdError) -> Report {
    match error {
        VpcdError::NotListening { address, source } => Report::new(
            Kind::ServiceUnavailable,
            format!("no virtual reader takes cards at {address} ({source})"),
        )
        .next(
            "Start pcscd with vsmartcard's driver vpcd (Debian and Ubuntu: sudo apt install \
             pcscd vsmartcard-vpcd, then restart pcscd)",
        ),
        VpcdError::Address(_) => Report::new(Kind::Usage, error.to_string()),
        _ => Report::new(Kind::Other, error.to_string()),
    }
}

fn name(text: &str) -> Result<TokenName> {
    TokenName::new(text).map_err(|error| Report::new(Kind::Usage, error.to_string()).into())
}

fn profile(name: ProfileName) -> Profile {
    match name {
        ProfileName::Crescendo2300 => Profile::Crescendo2300,
        ProfileName::Crescendo4000 => Profile::Crescendo4000,
        ProfileName::CrescendoKey => Profile::CrescendoKey,
        ProfileName::Piv => Profile::Piv,
    }
}

fn interface(name: InterfaceName) -> Interface {
    match name {
        InterfaceName::Contact => Interface::Contact,
        InterfaceName::Contactless => Interface::Contactless,
    }
}

fn vci(arguments: &CreateArgs) -> Option<Vci> {
    let suite = match arguments.vci? {
        SuiteName::Cs2 => CipherSuite::Cs2,
        SuiteName::Cs7 => CipherSuite::Cs7,
    };
    let vci = Vci::new(suite);
    Some(if arguments.no_pairing_code {
        vci.without_pairing_code()
    } else {
        vci
    })
}

fn token_json(token: &TokenSummary, path: String) -> json::VirtualToken {
    json::VirtualToken {
        name: token.name.to_string(),
        profile: Some(token.profile.name()),
        interface: Some(describe::interface(token.interface)),
        atr: Some(crate::hex::encode(token.atr.as_bytes())),
        path,
        error: None,
    }
}

fn entry_json(entry: &Entry) -> json::VirtualToken {
    let path = entry.path.display().to_string();
    match &entry.token {
        Ok(token) => token_json(token, path),
        Err(error) => json::VirtualToken {
            name: entry.name.clone(),
            profile: None,
            interface: None,
            atr: None,
            path,
            error: Some(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_profile_can_be_asked_for() {
        let named: Vec<Profile> = ProfileName::value_variants()
            .iter()
            .map(|name| profile(*name))
            .collect();
        assert_eq!(named, Profile::ALL);
        for name in ProfileName::value_variants() {
            let value = name.to_possible_value();
            assert_eq!(
                value.as_ref().map(clap::builder::PossibleValue::get_name),
                Some(profile(*name).name())
            );
        }
    }
}
