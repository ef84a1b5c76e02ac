use argon2::{PasswordHasher as _, PasswordVerifier as _};

use super::*;

/// Less memory than in earnest: what is tested does not depend on it.
fn small() -> Argon2<'static> {
    Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(64, PASSES, LANES, None).expect("parameters"),
    )
}

fn passwords(at_once: usize) -> Passwords {
    let counter = IntCounter::new("hashes", "hashes").expect("a counter");
    Passwords::new(NonZeroUsize::new(at_once).expect("not zero"), counter).expect("passwords")
}

#[test]
fn hashes_are_those_of_the_library_whichever_memory_they_were_made_in() {
    let (argon2, mut blocks) = (small(), Blocks::new());
    for password in [&b"correct horse"[..], b"", "pässwörd 𝕏".as_bytes()] {
        let ours = make(&argon2, password, &mut blocks).expect("a hash");
        assert!(ours.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{ours}");
        argon2.verify_password(password, ours.as_str()).expect("the library takes ours");
        let theirs = argon2.hash_password(password).expect("a hash").to_string();
        assert_eq!(theirs.len(), ours.len());
        for kept in [&ours, &theirs] {
            assert!(is_made_from(kept, password, &mut blocks).expect("a hash"));
            assert!(!is_made_from(kept, b"another", &mut blocks).expect("a hash"));
        }
    }
    assert_ne!(
        make(&argon2, b"x", &mut blocks).expect("one"),
        make(&argon2, b"x", &mut blocks).expect("two")
    );
}

#[test]
fn a_hash_of_other_parameters_is_compared_by_its_own() {
    let mut blocks = Blocks::new();
    make(&small(), b"x", &mut blocks).expect("a hash");
    for (algorithm, version, memory) in [
        (Algorithm::Argon2id, Version::V0x13, 16),
        (Algorithm::Argon2id, Version::V0x13, 256),
        (Algorithm::Argon2i, Version::V0x10, 64),
    ] {
        let params = Params::new(memory, 3, 2, Some(24)).expect("parameters");
        let kept = Argon2::new(algorithm, version, params).hash_password(b"correct horse").expect("a hash");
        assert!(is_made_from(&kept.to_string(), b"correct horse", &mut blocks).expect("a hash"));
        assert!(!is_made_from(&kept.to_string(), b"another", &mut blocks).expect("a hash"));
    }
    for wrong in ["", "x", "$argon2id$v=19$m=64,t=2,p=1", "$scrypt$ln=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"] {
        assert!(is_made_from(wrong, b"x", &mut blocks).is_err(), "{wrong:?}");
    }
}

#[test]
fn memory_is_made_once_per_turn_and_kept() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let passwords = passwords(2);
        let idle = || passwords.idle.lock().expect("a lock").len();
        assert_eq!(idle(), 1, "from the hash that nobody has");
        for _ in 0..2 {
            let (one, two) = (passwords.turn().await.expect("one"), passwords.turn().await.expect("two"));
            assert_eq!((idle(), passwords.permits.available_permits()), (0, 0));
            let waiting = tokio::spawn({
                let passwords = passwords.clone();
                async move { passwords.turn().await.map(|turn| turn.blocks.len()) }
            });
            let made = passwords.hash(one, "correct horse".to_owned()).await.expect("a hash");
            assert!(passwords.is_right(two, "correct horse".to_owned(), Some(made)).await.expect("compared"));
            let blocks = waiting.await.expect("a task").expect("a turn");
            assert_eq!(blocks, MEMORY_KIB as usize, "the memory comes back with the permit");
            assert_eq!((idle(), passwords.permits.available_permits()), (2, 2));
        }
    });
}
