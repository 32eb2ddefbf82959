use piv_apdu::object::CertificateObject;
use virtual_token::Profile;

use crate::tool::{Tool, entries};

#[test]
fn certificates_are_listed() {
    let tool = Tool::with(Profile::Piv);
    let ran = tool.run(&["cert", "list"]).ok();
    assert_eq!(ran.stdout.lines().count(), 5, "{ran:#?}");
    assert!(ran.stdout.contains("RSA-2048") && ran.stdout.contains("valid until"));
    let document = tool.run(&["cert", "list", "--json"]).ok().json();
    assert_eq!(document["certificates"][0]["slot"], "9A");
    let pem = document["certificates"][0]["certificate"]["pem"]
        .as_str()
        .unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
}

#[test]
fn an_export_is_the_certificate_on_the_card() {
    let tool = Tool::with(Profile::Piv);
    let mut content = Vec::new();
    tool.edit("one", |token| {
        let hex = token["state"]["objects"]["5FC105"]["content"]
            .as_str()
            .unwrap();
        content = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
    });
    let expected = CertificateObject::decode(&content).unwrap().certificate;

    let der = tool
        .command(&[
            "--virtual",
            "cert",
            "export",
            "--slot",
            "9a",
            "--format",
            "der",
        ])
        .output()
        .unwrap();
    assert!(der.status.success());
    assert_eq!(der.stdout, expected);

    let pem = tool.run(&["cert", "export", "--slot", "9A"]).ok().stdout;
    let (label, bytes) = der::pem::decode_vec(pem.as_bytes()).unwrap();
    assert_eq!((label, bytes), ("CERTIFICATE", expected));
}

#[test]
fn an_export_reads_one_object_only() {
    let tool = Tool::with(Profile::Piv);
    let path = tool.file("trace");
    let trace = path.to_str().unwrap();
    tool.run(&["cert", "export", "--slot", "9e", "--trace", trace])
        .ok();
    let trace = std::fs::read_to_string(&path).unwrap();
    let commands: Vec<&str> = trace.lines().filter(|line| line.starts_with('>')).collect();
    let count = |word| commands.iter().filter(|line| line.contains(word)).count();
    assert_eq!(
        (count("SELECT"), count("GET DATA")),
        (1, 1),
        "{commands:#?}"
    );
    assert_eq!(commands.len(), 2 + count("GET RESPONSE"), "{commands:#?}");
}

#[test]
fn a_file_is_kept_unless_forced() {
    let tool = Tool::with(Profile::Piv);
    let path = tool.file("certificates/9a.pem");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let file = path.to_str().unwrap();
    let export = ["cert", "export", "--slot", "9a", "--output", file];
    let ran = tool.run(&export).code(0);
    assert_eq!(ran.stdout, "");
    let first = std::fs::read(&path).unwrap();

    std::fs::write(&path, "mine").unwrap();
    let ran = tool.run(&export).code(1);
    assert!(ran.stderr.contains("exists already") && ran.stderr.contains("--force"));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");

    tool.run(&[&export[..], &["--force"]].concat()).code(0);
    assert_eq!(std::fs::read(&path).unwrap(), first);
    assert_eq!(
        entries(path.parent().unwrap()),
        ["9a.pem"],
        "nothing is left behind"
    );
}

#[test]
fn a_slot_without_a_certificate_says_so() {
    let tool = Tool::new();
    tool.empty_token("piv", Profile::Piv);
    tool.empty_token("hid", Profile::Crescendo2300);
    for reader in ["piv", "hid"] {
        let ran = tool
            .run(&["cert", "export", "--slot", "9c", "--reader", reader])
            .code(1);
        assert!(ran.stderr.contains("no certificate in slot 9C"), "{ran:#?}");
        assert_eq!(ran.stdout, "");
    }
    tool.run(&["cert", "export", "--slot", "9b", "--reader", "piv"])
        .code(2);
    tool.run(&[
        "cert", "export", "--slot", "9a", "--force", "--reader", "piv",
    ])
    .code(2);
}
