//! What every store of pairing codes does.

use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;
use token_manager::PairingCodeStore;

/// On a store that holds nothing yet, and nothing after.
pub(crate) fn check_store(codes: &dyn PairingCodeStore) {
    let [one, two] = [1, 2].map(|byte| Guid([byte; 16]));
    let code = |digits: &[u8]| PairingCode::new(digits).unwrap();
    assert_eq!(codes.get(&one).unwrap(), None);
    assert!(!codes.forget(&one).unwrap());
    codes.put(&two, &code(b"22222222")).unwrap();
    codes.put(&one, &code(b"00000000")).unwrap();
    codes.put(&one, &code(b"11111111")).unwrap();
    assert_eq!(codes.list().unwrap(), [one, two]);
    assert_eq!(codes.get(&one).unwrap(), Some(code(b"11111111")));
    assert_eq!(codes.get(&two).unwrap(), Some(code(b"22222222")));
    assert!(codes.forget(&one).unwrap());
    assert!(!codes.forget(&one).unwrap());
    assert_eq!(codes.get(&one).unwrap(), None);
    assert_eq!(codes.list().unwrap(), [two]);
    codes.put(&one, &code(b"00000000")).unwrap();
    assert_eq!(codes.forget_all().unwrap(), [one, two]);
    assert_eq!(codes.list().unwrap(), []);
    assert_eq!(codes.get(&two).unwrap(), None);
    assert_eq!(codes.forget_all().unwrap(), []);
}
