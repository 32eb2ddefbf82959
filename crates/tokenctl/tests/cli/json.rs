//! docs/json.md describes every key that occurs, and no other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
#[cfg(unix)]
use virtual_token::{Content, OathCredential};
use virtual_token::{CreateOptions, Profile};

use crate::tool::{Ran, Tool};

const DOCUMENTATION: &str = include_str!("../../../../docs/json.md");

/// The keys in the tables: in the first column, or the second where the first
/// names a type.
fn documented() -> BTreeSet<String> {
    let code = |cell: &str| {
        let name = cell.trim().strip_prefix('`')?.strip_suffix('`')?;
        Some(name.to_owned())
    };
    DOCUMENTATION
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix('|')?.split('|').collect();
            // | type | key | type of value | meaning |, and else | key | ... |
            code(cells[usize::from(cells.len() == 5)])
        })
        .collect()
}

fn collect(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                keys.insert(key.clone());
                collect(value, keys);
            }
        }
        Value::Array(array) => array.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}

/// One document of every kind at least, and of every kind of content.
fn documents() -> Vec<Value> {
    let tool = Tool::new();
    tool.make(
        "one",
        Profile::Crescendo2300,
        &CreateOptions::default().seed(1),
    );
    tool.make("two", Profile::Piv, &CreateOptions::default().seed(2));
    tool.empty_token("key", Profile::CrescendoKey);
    // A security object for two containers, and a BIT group of no type of ours.
    tool.put_object("two", "5FC106", "BA06013000023001BB02ABCDFE00");
    tool.put_object("two", "7F61", "020100");
    let file = tool.file("out");
    let file = file.to_str().unwrap();
    let mut documents = Vec::new();
    for arguments in [
        &["list"][..],
        &["show", "--reader", "one"],
        &["show", "--reader", "two", "--all"],
        &["show", "--reader", "key"],
        &["show"],
        &["show", "--reader", "none"],
        &["cert", "list", "--reader", "one"],
        &["cert", "export", "--slot", "9a", "--reader", "one"],
        &[
            "cert", "export", "--slot", "9a", "--reader", "one", "--format", "der",
        ],
        &[
            "cert", "export", "--slot", "9a", "--reader", "one", "--output", file,
        ],
        &["show", "--reader", "one"],
        &["cache", "show"],
        &["cache", "clear", "--reader", "one"],
        &["apdu", "--reader", "one", "00200080"],
        &["virtual", "list"],
        &["virtual", "create", "--profile", "piv", "--empty", "new"],
        &["virtual", "move", "new", "--to", "contactless"],
        &["virtual", "authority", "one"],
        &["virtual", "remove", "new"],
        &["doctor"],
        &["completions", "fish"],
        &["man"],
        &["man", "--output", file],
        &["--no-such-option"],
    ] {
        let ran = tool.run(&[&["--json"], arguments].concat());
        for text in [&ran.stdout, &ran.stderr] {
            if !text.is_empty() {
                let document = serde_json::from_str(text);
                documents.push(document.unwrap_or_else(|error| panic!("{error}: {ran:#?}")));
            }
        }
    }
    #[cfg(unix)]
    documents.extend(followed(&tool));
    #[cfg(unix)]
    documents.extend(with_secrets(&tool));
    documents
}

/// Documents of the commands that take secrets, which come on stdin.
#[cfg(unix)]
fn with_secrets(tool: &Tool) -> Vec<Value> {
    let run = |arguments: &[&str], input: &str| {
        let arguments = [&["--json", "--reader", "one"], arguments].concat();
        let ran = tool.run_with_input(&arguments, input);
        let texts = [&ran.stdout, &ran.stderr];
        let documents = texts.into_iter().flat_map(|text| {
            serde_json::Deserializer::from_str(text)
                .into_iter::<Value>()
                .map(|document| document.unwrap_or_else(|error| panic!("{error}: {ran:#?}")))
                .collect::<Vec<_>>()
        });
        documents.collect::<Vec<_>>()
    };
    let file = tool.file("key.pem");
    let make = [
        "helpdesk",
        "new-key-file",
        file.to_str().unwrap(),
        "--key-fd",
        "0",
        "--passphrase-fd",
        "0",
    ];
    let mut documents = run(
        &make,
        &format!("{}\npassphrase of a file\n", "01".repeat(24)),
    );
    let respond = ["helpdesk", "respond", "0123456789ABCDEF", "--key-fd", "0"];
    documents.extend(run(&respond, &"01".repeat(24)));
    documents.extend(run(&["pin", "status"], ""));
    documents.extend(run(&["pin", "verify", "--pin-fd", "0"], "00000000\n"));
    documents.extend(run(&["pin", "verify", "--pin-fd", "0"], "271828\n"));
    let unblock = ["pin", "unblock", "--new-pin-fd", "0", "--response-fd", "0"];
    documents.extend(run(&unblock, "00000000\n0123456789ABCDEF\n"));
    documents.extend(administering());
    documents.extend(pairing());
    documents.extend(one_time_passwords());
    documents
}

/// Documents of `otp`.
#[cfg(unix)]
fn one_time_passwords() -> Vec<Value> {
    let tool = Tool::new();
    let options = CreateOptions::default()
        .seed(1)
        .content(Content::Empty)
        .oath_slot(1, OathCredential::hotp(b"12345678901234567890"));
    tool.make("one", Profile::CrescendoKey, &options);
    [&["otp", "list"][..], &["otp", "code"]]
        .map(|arguments| tool.run(&[&["--json"], arguments].concat()).ok().json())
        .to_vec()
}

/// Documents of `pairing-code`.
#[cfg(unix)]
fn pairing() -> Vec<Value> {
    let tool = Tool::new();
    let options = CreateOptions::default().seed(1).pairing_code(true);
    tool.make("one", Profile::Piv, &options);
    [
        &["show", "--show", "--pin-fd", "0"][..],
        &["list"],
        &["forget", "--all"],
    ]
    .map(|arguments| {
        let all = [&["--json", "pairing-code"], arguments].concat();
        tool.run_with_input(&all, "123456\n").ok().json()
    })
    .to_vec()
}

/// Documents of the commands that administer a token.
#[cfg(unix)]
fn administering() -> Vec<Value> {
    use token_manager::token_profile::RecoveryKind;

    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo4000);
    tool.keep_recovery("one", RecoveryKind::Puk, b"31415926");
    let pin = "000000\n";
    let key = "0".repeat(48) + "\n";
    let list = tool.run(&["--json", "list"]).ok().json();
    let id = list["tokens"][0]["id"].as_str().unwrap();
    let recycle = format!("recycle --confirm {id} --pin-fd 0");
    let file = tool.file("new");
    let personalize = format!(
        "personalize --delivery-pin --new-pin-fd 0 --saved-is-taken --save {}",
        file.display()
    );
    let runs = [
        ("policy show", ""),
        ("policy set --min 5 --dry-run", ""),
        ("policy set --min 5 --pin-fd 0", pin),
        ("puk show --show --pin-fd 0", pin),
        ("puk forget --yes --pin-fd 0", pin),
        ("fido pin set --new-pin-fd 0", "first\n"),
        (
            "fido pin change --pin-fd 0 --new-pin-fd 0",
            "first\nsecond\n",
        ),
        ("fido pin verify --pin-fd 0", "second\n"),
        ("fido pin status", ""),
        ("admin-key check --key-fd 0", &key),
        ("admin-key set --delivery --yes --pin-fd 0", pin),
        ("recycle --dry-run", ""),
        (recycle.as_str(), pin),
        (personalize.as_str(), "271828\n"),
    ];
    let run = |(arguments, input): (&str, &str)| {
        let mut all = vec!["--json"];
        all.extend(arguments.split(' '));
        tool.run_with_input(&all, input).code(0).json()
    };
    runs.into_iter().map(run).collect()
}

/// Documents of the commands that go on until they are interrupted.
#[cfg(unix)]
fn followed(tool: &Tool) -> Vec<Value> {
    use std::process::Stdio;

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut documents = Vec::new();
    for arguments in [
        &["--virtual", "--json", "watch"][..],
        &["--json", "virtual", "serve", "one", "--address", &address],
    ] {
        let mut child = tool
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
        documents.push(serde_json::from_str(&line).unwrap());
        crate::watch::interrupt(child.id());
        Ran::of(&child.wait_with_output().unwrap()).ok();
    }
    documents
}

#[test]
fn documentation_and_documents_agree() {
    let documents = documents();
    let mut keys = BTreeSet::new();
    let mut schemas: BTreeMap<String, u64> = BTreeMap::new();
    for document in &documents {
        collect(document, &mut keys);
        let schema = document["schema"].as_str().unwrap().to_owned();
        schemas.insert(schema, document["version"].as_u64().unwrap());
    }
    let documented = documented();
    let missing: Vec<_> = keys.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/json.md: {missing:?}");

    let unused: Vec<_> = documented.difference(&keys).collect();
    assert!(unused.is_empty(), "in docs/json.md only: {unused:?}");

    let sections: BTreeSet<String> = DOCUMENTATION
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(str::to_owned)
        .collect();
    let occurring: BTreeSet<String> = schemas.keys().cloned().collect();
    assert_eq!(occurring, sections);
    assert!(schemas.values().all(|version| *version == 1), "{schemas:?}");
}

/// A key that is missing in one document and present in another of its kind
/// would be a trap.
#[test]
fn keys_are_always_present() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Crescendo4000);
    tool.empty_token("two", Profile::Piv);
    let keys = |reader: &str| {
        let shown = tool
            .run(&["--json", "show", "--reader", reader])
            .ok()
            .json();
        let keys = shown["token"].as_object().unwrap().keys();
        keys.cloned().collect::<BTreeSet<String>>()
    };
    assert_eq!(keys("one"), keys("two"));
}

#[test]
fn events_are_one_line_each_and_documents_are_indented() {
    let tool = Tool::new();
    tool.empty_token("one", Profile::Piv);
    let ran = tool.run(&["--json", "list"]).ok();
    assert!(ran.stdout.lines().count() > 5);
    assert!(ran.stdout.ends_with("}\n"));
}
