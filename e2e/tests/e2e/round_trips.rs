//! The number of APDUs of a cold `show`, counted at the card: through pcscd it
//! must be what it is in-process, and within the limits that we promise.

use e2e::{
    Inserted, Pcscd,
    counting::{Count, as_it_gets_known, load_in_process},
    programs::tokenctl,
    tokens,
};
use virtual_token::{CommandHeader, Profile, SharedToken};

/// What the card receives from a cold `tokenctl show` through pcscd.
fn show_through_pcscd(pcscd: &Pcscd, token: &SharedToken) -> Vec<CommandHeader> {
    let inserted = Inserted::new(pcscd, 0, token);
    token.clear_log();
    let shown = tokenctl(&["show", "--json"]).success().json();
    let log = token.log();
    assert_eq!(
        shown["token"]["round_trips"],
        log.len(),
        "what it says itself: {log:?}"
    );
    inserted.eject();
    log
}

/// The same APDUs, command for command.
#[track_caller]
fn assert_same(in_process: &[CommandHeader], through_pcscd: &[CommandHeader]) {
    let headers = |log: &[CommandHeader]| -> Vec<_> {
        log.iter()
            .map(|header| (header.cla, header.ins, header.p1, header.p2, header.lc))
            .collect()
    };
    assert_eq!(headers(in_process), headers(through_pcscd));
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn every_profile_costs_through_pcscd_what_it_costs_in_process() {
    let pcscd = Pcscd::start("round-trips-profiles");
    for profile in Profile::ALL {
        let token = tokens::personal(profile);
        let (_, in_process) = load_in_process(&token);
        assert_same(&in_process, &show_through_pcscd(&pcscd, &token));
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_plain_piv_card_costs_no_more_than_promised() {
    let pcscd = Pcscd::start("round-trips-piv");
    for (extended_length, limit) in [(false, 18), (true, 10)] {
        let token = tokens::piv(extended_length);
        let (_, in_process) = load_in_process(&token);
        let log = show_through_pcscd(&pcscd, &token);
        assert_same(&in_process, &log);

        // What the limit is meant for: four certificates of two GET RESPONSEs.
        let get_data = log.iter().filter(|header| header.ins == 0xCB).count();
        assert_eq!(
            get_data, 8,
            "CHUID, CCC, discovery, key history, four certificates: {log:?}"
        );
        let count = Count::of(&token);
        assert_eq!(
            count.get_response,
            if extended_length { 0 } else { 8 },
            "{count:?}"
        );
        assert!(log.len() <= limit, "{} of {limit}: {log:?}", log.len());
    }
}

/// In another process each time, from the folder that they share.
#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_known_token_costs_two_commands_or_three_through_pcscd() {
    let pcscd = Pcscd::start("round-trips-known");
    for profile in Profile::ALL {
        let token = tokens::personal(profile);
        let inserted = Inserted::new(&pcscd, 0, &token);
        let [_, checked, quick] = as_it_gets_known(&token);
        assert_eq!(checked, 10, "{profile}");
        assert_eq!(
            quick,
            if profile == Profile::Piv { 3 } else { 2 },
            "{profile}"
        );
        inserted.eject();
    }
}
