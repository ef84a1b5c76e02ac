use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z:]{1,12}", "\\PC{0,40}", "x{120,300}"]
}

fn name() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![Just("jobs".into()), Just("user:7".into()), text().prop_map(Into::into)]
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn connection() -> impl Strategy<Value = ConnectionId> {
    // Any UUID, as a client may send one.
    any::<u128>().prop_map(|bits| ConnectionId::parse(&format!("{bits:032x}")).expect("any UUID"))
}

fn id() -> impl Strategy<Value = PublicationId> {
    any::<u128>().prop_map(PublicationId::from_u128)
}

fn place() -> impl Strategy<Value = DurablePlace> {
    (name(), prop_oneof![Just(1), any::<u64>()], any::<u64>())
        .prop_map(|(stream, epoch, offset)| DurablePlace { stream, epoch: Epoch::from_bits(epoch), offset })
}

prop_compose! {
    fn entry()(
        seq: u64,
        id in id(),
        event_type in text(),
        data in text(),
        timestamp in time(),
        accepted in time(),
        except in option::of(connection()),
        places in vec(place(), 0..4),
        addressed in vec(text(), 0..3),
    ) -> Arc<Entry> {
        let (event_type, data) = (event_type.into(), data.into());
        let addressed = addressed.into_iter().map(Into::into).collect();
        Arc::new(Entry { seq, id, event_type, data, timestamp, accepted, except, places, addressed })
    }
}

fn key() -> impl Strategy<Value = KeyEntry> {
    (name(), text(), id(), any::<u32>(), time()).prop_map(|(scope, key, id, recipients, at)| KeyEntry {
        key: ScopedKey { scope, key: key.into() },
        id,
        recipients,
        at,
    })
}

prop_compose! {
    fn resume()(
        connection in connection(),
        generation: u32,
        user in option::of(text()),
        channels in vec(text(), 0..5),
        dropped in option::of(time()),
        arrived in option::of(vec((text(), any::<u64>(), any::<u64>()), 0..4)),
    ) -> ResumeEntry {
        let position = |(name, epoch, offset): (String, _, _)| {
            (name.into(), Position { epoch: Epoch::from_bits(epoch), offset })
        };
        let arrived = arrived.map(|positions| positions.into_iter().map(position).collect());
        let channels = channels.into_iter().map(Into::into).collect();
        ResumeEntry { connection, generation, user: user.map(Into::into), channels, dropped, arrived }
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut blob = b"what was there before".to_vec();
    write(&mut blob);
    blob
}

/// Everything that reads, on the same bytes.
fn read_all(bytes: &[u8]) -> [Option<DecodeError>; 6] {
    let names = &mut Names::default();
    [
        read_group(bytes, names).err(),
        read_keys(bytes, names).err(),
        read_retained(bytes, names).err(),
        read_resume(bytes).err(),
        read_end(bytes, names).err(),
        read_identity(bytes).err(),
    ]
}

proptest! {
    #[test]
    fn a_group_is_read_back(seq: u64, entries in vec(entry(), 0..20)) {
        let blob = written(|blob| write_group(blob, seq, &entries));
        prop_assert_eq!(read_group(&blob, &mut Names::default()), Ok((seq, entries)));
    }

    #[test]
    fn keys_are_read_back(keys in vec(key(), 0..20)) {
        let blob = written(|blob| write_keys(blob, &keys));
        prop_assert_eq!(read_keys(&blob, &mut Names::default()), Ok(keys));
    }

    #[test]
    fn retained_state_is_read_back(stream in name(), key in text(), expires in time(), entry in entry()) {
        let blob = written(|blob| write_retained(blob, &stream, &key, expires, &entry));
        let row = RetainedRow { stream, key: key.into(), expires, entry };
        prop_assert_eq!(read_retained(&blob, &mut Names::default()), Ok(row));
    }

    #[test]
    fn what_can_be_resumed_is_read_back(resume in resume()) {
        let blob = written(|blob| write_resume(blob, &resume));
        prop_assert_eq!(read_resume(&blob), Ok(resume));
    }

    #[test]
    fn ends_and_identity_are_read_back(place in place(), secret: [u8; 32], resets: u64) {
        let end = StreamEnd { stream: place.stream, epoch: place.epoch, offset: place.offset };
        let blob = written(|blob| write_end(blob, &end));
        prop_assert_eq!(read_end(&blob, &mut Names::default()), Ok(end));
        let identity = Identity { secret, resets };
        let blob = written(|blob| write_identity(blob, &identity));
        prop_assert_eq!(read_identity(&blob), Ok(identity));
    }

    #[test]
    fn a_damaged_blob_is_an_error(
        entries in vec(entry(), 0..5),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let blob = written(|blob| write_group(blob, 7, &entries));
        let mut flipped = blob.clone();
        flipped[at.index(blob.len())] ^= flip;
        prop_assert!(read_all(&flipped).iter().all(Option::is_some));
        prop_assert!(read_all(&blob[..cut.index(blob.len())]).iter().all(Option::is_some));
    }

    #[test]
    fn a_blob_of_another_kind_is_an_error(entries in vec(entry(), 0..3)) {
        let blob = written(|blob| write_group(blob, 7, &entries));
        let foreign = Some(DecodeError::Foreign { version: 1, kind: 1 });
        prop_assert_eq!(read_all(&blob), [None, foreign, foreign, foreign, foreign, foreign]);
    }

    /// Under a good seal anything may stand, if only in theory: it is read or not, and nobody panics.
    #[test]
    fn nonsense_under_a_good_seal_never_panics(body in vec(any::<u8>(), 0..200), kind in 0..6_usize) {
        use Kind::{End, Group, Identity, Keys, Resume, Retained};
        let blob = written(|blob| {
            let mut blob = Blob::begin(blob, [Group, Keys, Retained, Resume, End, Identity][kind]);
            blob.bytes(&body);
            blob.seal();
        });
        let errors = read_all(&blob);
        prop_assert!(errors.iter().filter(|error| error.is_none()).count() <= 1);
    }
}

#[test]
fn a_length_that_the_bytes_cannot_have_is_refused_before_anything_is_allocated() {
    for kind in [Kind::Group, Kind::Keys] {
        let blob = written(|blob| {
            let mut blob = Blob::begin(blob, kind);
            blob.number(1);
            blob.number(u64::MAX >> 1);
            blob.bytes(&[0; 100]);
            blob.seal();
        });
        assert!(read_all(&blob).iter().all(Option::is_some));
    }
}

#[test]
fn one_name_is_one_allocation_in_all_groups() {
    let names = &mut Names::default();
    let place = DurablePlace { stream: "jobs".into(), epoch: Epoch::from_bits(1), offset: 1 };
    let entry = Arc::new(Entry {
        seq: 1,
        id: PublicationId::from_u128(1),
        event_type: "a".into(),
        data: "1".into(),
        timestamp: Timestamp::from_millis(0),
        accepted: Timestamp::from_millis(0),
        except: None,
        places: vec![place],
        addressed: vec![],
    });
    let blob = written(|blob| write_group(blob, 1, &[entry]));
    let mut stream = || {
        let (_, entries) = read_group(&blob, names).expect("a group");
        Arc::clone(&entries[0].places[0].stream)
    };
    assert!(Arc::ptr_eq(&stream(), &stream()));
}
