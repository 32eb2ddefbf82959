//! OpenSC's programs: those of Debian's package, or a newer version that was built with
//! secure messaging.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::programs::{Finished, finish, limited, run};

/// A version of OpenSC.
#[derive(Clone, Debug)]
pub struct OpenSc {
    /// Where its programs are, if not in `PATH`.
    programs: Option<PathBuf>,
    module: PathBuf,
    /// Environment variables that it reads.
    settings: Vec<(&'static str, String)>,
}

impl OpenSc {
    /// That of Debian's package.
    #[must_use]
    pub fn of_debian() -> Self {
        let places = [
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
            "/usr/lib",
        ];
        let module = places
            .iter()
            .map(|place| Path::new(place).join("opensc-pkcs11.so"));
        Self {
            programs: None,
            module: module
                .into_iter()
                .find(|path| path.exists())
                .expect("OpenSC's PKCS #11 module"),
            settings: Vec::new(),
        }
    }

    /// The one with secure messaging, where `cargo xtask test` could build it.
    #[must_use]
    pub fn with_secure_messaging() -> Option<Self> {
        let place = PathBuf::from(env::var_os("E2E_OPENSC")?);
        Some(Self {
            programs: Some(place.join("bin")),
            module: place.join("lib/opensc-pkcs11.so"),
            settings: Vec::new(),
        })
    }

    /// The same with an environment variable.
    #[must_use]
    pub fn setting(&self, name: &'static str, value: &str) -> Self {
        let mut other = self.clone();
        other.settings.push((name, value.to_owned()));
        other
    }

    /// Runs one of its programs.
    #[must_use]
    pub fn run(&self, program: &str, arguments: &[&str]) -> Finished {
        let program = match &self.programs {
            Some(place) => text(&place.join(program)),
            None => program.to_owned(),
        };
        let mut command = limited(&program);
        let settings = self.settings.iter().map(|(name, value)| (name, value));
        finish(command.args(arguments).envs(settings))
    }

    /// Runs `pkcs11-tool` with its own module.
    #[must_use]
    pub fn pkcs11_tool(&self, arguments: &[&str]) -> Finished {
        let module = text(&self.module);
        self.run("pkcs11-tool", &[&["--module", &module], arguments].concat())
    }

    /// Signs with the key in 9A under `mechanism`, and has OpenSSL verify it with
    /// the key of the certificate in 9A.
    pub fn sign_and_verify(&self, pin: &str, mechanism: &[&str]) {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str| text(&place.path().join(name));
        let (words, signature) = (file("text"), file("signature"));
        fs::write(&words, "A text to be signed\n").unwrap();
        let login = ["--login", "--pin", pin, "--sign", "--id", "01"];
        let files = ["--input-file", &words, "--output-file", &signature];
        let _ = self
            .pkcs11_tool(&[&login[..], &files, mechanism].concat())
            .success();

        let certificate = file("certificate");
        let read = ["--read-certificate", "01", "--output", &certificate];
        let _ = self.run("pkcs15-tool", &read).success();
        let public = ["x509", "-in", &certificate, "-noout", "-pubkey"];
        let public = run("openssl", &public).success();
        let key = file("key");
        fs::write(&key, &public.stdout).unwrap();
        let digest = if mechanism.iter().any(|word| word.contains("384")) {
            "-sha384"
        } else {
            "-sha256"
        };
        let verify = ["dgst", digest, "-verify", &key, "-signature"];
        let _ = run("openssl", &[&verify[..], &[&signature, &words]].concat())
            .success()
            .says("Verified OK");
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
