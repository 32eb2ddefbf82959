//! What is kept without power, and what a seed decides.

use virtual_token::{CreateOptions, Profile, STATE_VERSION, StateError, TokenState, VirtualToken};

use crate::common::{blank, created, hex, options, personal, raw};

fn json(token: &VirtualToken) -> String {
    serde_json::to_string(&token.to_state()).unwrap()
}

#[test]
fn the_same_seed_makes_the_same_token() {
    for profile in Profile::ALL {
        assert_eq!(
            json(&personal(profile)),
            json(&personal(profile)),
            "{profile}"
        );
        let other = CreateOptions::default().seed(2).created(created());
        let other = VirtualToken::create(profile, &other).unwrap();
        assert_ne!(personal(profile).id(), other.id());
    }
    let challenge = |seed| {
        let mut token = blank(Profile::Crescendo2300);
        token.set_random_seed(seed);
        raw(&mut token, &hex("00A40400 07 A0000000791000 00"));
        raw(&mut token, &hex("00840000 00")).data().to_vec()
    };
    assert_eq!(challenge(5), challenge(5));
    assert_ne!(challenge(5), challenge(6));
}

#[test]
fn without_a_seed_every_token_is_another() {
    let options = CreateOptions::default().content(virtual_token::Content::Empty);
    let one = VirtualToken::create(Profile::Piv, &options).unwrap();
    let two = VirtualToken::create(Profile::Piv, &options).unwrap();
    assert_ne!(one.id(), two.id());
}

#[test]
fn a_token_comes_back_from_its_state() {
    for profile in Profile::ALL {
        let token = personal(profile);
        let text = json(&token);
        let state: TokenState = serde_json::from_str(&text).unwrap();
        assert_eq!((state.profile(), state.id()), (profile, token.id()));
        let again = VirtualToken::from_state(state).unwrap();
        assert_eq!(json(&again), text, "{profile}");
        assert_eq!(again.atr(), token.atr());
    }
}

#[test]
fn counters_last_and_what_was_verified_does_not() {
    let mut token = blank(Profile::Piv);
    assert!(token.take_dirty(), "new");
    assert!(!token.take_dirty());
    let select = hex("00A40400 0B A000000308000010000100 00");
    raw(&mut token, &select);
    raw(&mut token, &hex("00200080 08 313233343536FFFF"));
    assert!(
        !token.take_dirty(),
        "a right PIN with all its tries changes nothing"
    );
    raw(&mut token, &hex("00200080 08 313233343537FFFF"));
    assert!(token.take_dirty(), "a wrong one does");

    let mut token = VirtualToken::from_state(token.to_state()).unwrap();
    assert!(!token.take_dirty());
    raw(&mut token, &select);
    assert_eq!(
        raw(&mut token, &hex("00200080")).status().tries_left(),
        Some(2)
    );
}

#[test]
fn a_state_that_does_not_hold_together_is_refused() {
    let token = blank(Profile::Crescendo2300);
    let good: serde_json::Value = serde_json::from_str(&json(&token)).unwrap();
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = good.clone();
        change(&mut value);
        let state: TokenState = serde_json::from_value(value).unwrap();
        VirtualToken::from_state(state).unwrap_err()
    };
    assert_eq!(
        refused(&|state| state["version"] = (STATE_VERSION + 1).into()),
        StateError::Version {
            found: STATE_VERSION + 1
        }
    );
    for change in [
        &(|state: &mut serde_json::Value| state["cplc"] = "00".into())
            as &dyn Fn(&mut serde_json::Value),
        &|state| state["pin"]["value"] = "3030".into(),
        &|state| state["pin"]["tries_left"] = 7.into(),
        &|state| state["pin"]["tries_limit"] = 16.into(),
        &|state| state["pin_format"]["maximum"] = 9.into(),
        &|state| state["pin_format"]["minimum"] = 9.into(),
        &|state| state["xauth"] = serde_json::Value::Null,
        &|state| state["pin_format"]["minimum"] = 3.into(),
        &|state| state["pin_format"]["refuse_weak"] = true.into(),
        &|state| state["management"]["force_change"] = true.into(),
        &|state| state["management"]["static_challenge"] = "00".into(),
        &|state| {
            state["oath"] = serde_json::json!({
                "1": { "moving": { "counter": 0 }, "hash": "sha1", "digits": 6, "secret": "00" }
            });
        },
    ] {
        assert!(matches!(refused(change), StateError::Damaged { .. }));
    }
    for text in ["", "{}", "[]", "null", "{\"version\":1}"] {
        assert!(serde_json::from_str::<TokenState>(text).is_err());
    }
}

/// States that were kept before there was a PIN policy.
#[test]
fn an_old_state_comes_back_as_delivered() {
    for (profile, text) in [
        (
            Profile::Crescendo4000,
            include_str!("../data/states/crescendo-4000.json"),
        ),
        (
            Profile::Crescendo2300,
            include_str!("../data/states/crescendo-2300.json"),
        ),
        (Profile::Piv, include_str!("../data/states/piv.json")),
    ] {
        assert!(!text.contains("\"management\":"), "{profile}");
        let state: TokenState = serde_json::from_str(text).unwrap();
        let old = VirtualToken::from_state(state).unwrap();
        // The same seed made it, so that nothing but the default has been added.
        assert_eq!(json(&old), json(&blank(profile)), "{profile}");
    }
}

#[test]
fn nothing_secret_is_in_debug() {
    let token = personal(Profile::Piv);
    let shown = format!("{:?} {:?} {:?}", token, token.to_state(), options());
    assert!(shown.contains(token.id()));
    assert!(!shown.contains("313233343536"), "{shown}");
    assert!(!shown.contains("123456"), "{shown}");
}

#[test]
fn profiles_have_names() {
    for profile in Profile::ALL {
        assert_eq!(profile.to_string().parse(), Ok(profile));
        assert_eq!(
            serde_json::to_string(&profile).unwrap(),
            format!("\"{profile}\"")
        );
    }
    let error = "yubikey".parse::<Profile>().unwrap_err();
    assert!(error.to_string().contains("crescendo-2300"));
}
