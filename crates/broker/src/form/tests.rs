use proptest::prelude::*;

use super::*;
use protocol::timestamp::Timestamp;

fn text() -> impl Strategy<Value = Box<str>> {
    any::<String>().prop_map(Into::into)
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn id() -> impl Strategy<Value = ConnectionId> {
    any::<u128>().prop_map(|bits| ConnectionId::parse(&format!("{bits:032x}")).expect("any UUID is an id"))
}

prop_compose! {
    fn shared()(
        (id_bits, timestamp, accepted) in (any::<u128>(), time(), time()),
        (event_type, data, streams) in (text(), text(), prop::collection::vec(text(), 0..4)),
        connection in prop::option::of(prop_oneof![
            id().prop_map(ConnectionTarget::Id),
            Just(ConnectionTarget::Unknown)
        ]),
        (namespace, except) in (prop::option::of(text()), prop::option::of(id())),
        close in prop::option::of((prop::collection::vec(text(), 0..3), prop::collection::vec(text(), 0..3))),
        retain in prop::option::of((text(), 0_u64..1_000_000_000, any::<bool>())),
        is_transient in any::<bool>(),
        origin in any::<(u32, u64)>(),
    ) -> Shared {
        Shared {
            publication: Arc::new(Publication {
                id: PublicationId::from_u128(id_bits), event_type, data, timestamp
            }),
            accepted,
            streams,
            connection,
            namespace,
            except,
            close_sessions: close.map(|(users, sessions)| CloseSessions {
                users: users.into_iter().map(Stream::named).collect(), sessions
            }),
            retain: retain.map(|(key, keep, is_final)| Retain {
                key, keep: Duration::from_millis(keep), is_final
            }),
            is_transient,
            origin,
        }
    }
}

prop_compose! {
    fn entry()(
        connection in id(),
        generation in any::<u32>(),
        user in prop::option::of("[^\\p{Cc}]{1,20}"),
        channels in prop::collection::vec(text(), 0..3),
        dropped in prop::option::of(time()),
        arrived in prop::option::of(prop::collection::vec((text(), any::<u64>(), any::<u64>()), 0..3)),
    ) -> ResumeEntry {
        let position = |(stream, epoch, offset)| {
            (stream, Position { epoch: Epoch::from_bits(epoch), offset })
        };
        ResumeEntry {
            connection,
            generation,
            user: user.map(Into::into),
            channels,
            dropped,
            arrived: arrived.map(|all| all.into_iter().map(position).collect()),
        }
    }
}

proptest! {
    #[test]
    fn a_publication_is_read_as_it_was_written(shared in shared()) {
        let written = write_shared(&shared);
        let read = read_shared(&written).expect("readable");
        prop_assert_eq!(format!("{read:?}"), format!("{shared:?}"));
        // A part of it is no publication.
        for end in 0..written.len() {
            prop_assert!(read_shared(&written[..end]).is_err());
        }
    }

    #[test]
    fn a_connection_is_read_as_it_was_written(entry in entry(), node in any::<u32>()) {
        let written = write_entry(node, &entry);
        prop_assert_eq!(read_entry(entry.connection, &written).expect("readable"), entry);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), first in 0_u8..3) {
        let mut bytes = bytes;
        let _either = read_shared(&bytes);
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        let _either = read_shared(&bytes);
        let _either = read_entry(ConnectionId::from_random(1), &bytes);
        let head = [b"1 2 3 t -\n".as_slice(), &bytes].concat();
        let _either = read_entry(ConnectionId::from_random(1), &head);
        let _either = crate::message::Messages::default().event(&[b"E5 1:2\n".as_slice(), &bytes].concat());
    }
}

#[test]
fn another_version_is_told_as_such() {
    assert_eq!(read_shared(&[9, 1, 2]).map(|_| ()), Err(FormError::Version(9)));
    let entry = read_entry(ConnectionId::from_random(1), b"9 2 3 t -\nwhatever");
    assert_eq!(entry, Err(FormError::Version(9)));
}
