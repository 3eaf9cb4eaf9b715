//! The node's view of a group, and what a member's engine takes from the node.
use crate::{parts, world};
use wardline_e2ee::public::PublicView;
use wardline_e2ee::{ProcessError, header};

/// GroupInfo, tree, GroupInfo after, commit, then proposals: each behind its length.
pub fn public_view(bytes: &[u8]) {
    let mut parts = parts::split(bytes).into_iter();
    let (Some(group_info), Some(tree)) = (parts.next(), parts.next()) else { return };
    let Ok(mut view) = PublicView::open(world::CONVERSATION, &group_info, &tree) else { return };
    let (epoch, before) = (view.epoch(), view.tree_hash().to_vec());
    let (Some(next_info), Some(commit)) = (parts.next(), parts.next()) else { return };
    let proposals: Vec<_> = parts.collect();
    match view.check(&proposals, &commit, &next_info) {
        Ok(staged) => {
            assert_eq!(staged.epoch, epoch + 1);
            assert!(view.apply(staged).is_ok(), "a commit that was checked cannot be applied");
            assert_eq!(view.epoch(), epoch + 1);
        }
        Err(_) => {
            assert_eq!((view.epoch(), view.tree_hash()), (epoch, before.as_slice()), "a refused commit left a trace")
        }
    }
}

/// A message or commit from the node, given to a member. First byte: which of the two.
pub fn group_message(bytes: &[u8]) {
    let Some((kind, message)) = bytes.split_first() else { return };
    let _ = header(message); // must not panic, whatever it says
    world::with_member(|engine, directory| {
        let epoch = engine.epoch(world::CONVERSATION);
        let accepted = if kind % 2 == 0 {
            engine.process_message(world::CONVERSATION, message, directory).map(drop)
        } else {
            let mut parts = parts::split(message).into_iter();
            let commit = parts.next().unwrap_or_default();
            let proposals: Vec<_> = parts.collect();
            engine.process_commit(world::CONVERSATION, &proposals, &commit, directory, world::NOW_MS).map(drop)
        };
        assert!(!matches!(accepted, Ok(())), "something from outside the group was accepted");
        assert!(
            !matches!(accepted, Err(ProcessError::OwnMessage)),
            "something from outside counts as the device's own"
        );
        assert_eq!(engine.epoch(world::CONVERSATION), epoch, "a refused message left a trace");
    });
}
