//! What a statement may say. Reads a body against the directory as it stands, without changing it.
use crate::key::PublicKey;
use crate::record::{AccountRecord, ChannelRecord, EnrolmentKeyRecord, NodeRecord};
use crate::{Directory, Refusal, limit};
use std::collections::{BTreeMap, BTreeSet};
use wardline_protocol::wire;
use wardline_protocol::wire::Level;
use wardline_protocol::wire::statement_body::Content;
use wardline_protocol::{AccountId, ConversationId, GroupId, NodeId};

/// A statement's content, parsed and found possible.
pub(crate) enum Meaning {
    OperationalKey(PublicKey),
    /// `record.enrolment_keys` is empty and `record.version` 0: the directory fills them in.
    Account {
        record: AccountRecord,
        enrolment_key: Option<EnrolmentKeyRecord>,
    },
    Group {
        group_id: GroupId,
        name: String,
        deleted: bool,
    },
    Membership {
        group_id: GroupId,
        added: Vec<AccountId>,
        removed: Vec<AccountId>,
    },
    Node(NodeRecord),
    /// `ever` is empty: the directory fills it in.
    Channel(ChannelRecord),
}

pub(crate) fn read(directory: &Directory, body: wire::StatementBody) -> Result<Meaning, Refusal> {
    match body.content.ok_or(Refusal::UnknownKind)? {
        Content::OperationalKey(key) => operational_key(directory, &key),
        Content::Account(account) => self::account(directory, account),
        Content::Group(group) => self::group(directory, group),
        Content::GroupMembership(membership) => self::membership(directory, &membership),
        Content::Node(node) => self::node(directory, node),
        Content::Channel(channel) => self::channel(directory, channel),
    }
}

fn operational_key(directory: &Directory, key: &wire::OperationalKey) -> Result<Meaning, Refusal> {
    let key = PublicKey::parse(&key.public_key)?;
    if directory.was_operational(&key) || key == directory.root {
        return Err(Refusal::Malformed("an operational key is used once and is not the root"));
    }
    Ok(Meaning::OperationalKey(key))
}

fn account(directory: &Directory, account: wire::Account) -> Result<Meaning, Refusal> {
    let account_id = AccountId::parse(&account.account_id)?;
    let known = directory.account(&account_id);
    match known {
        Some(known) if known.deleted => return Err(Refusal::Deleted),
        None if account.deleted => return Err(Refusal::UnknownAccount),
        _ => {}
    }
    check_handle(&account.handle)?;
    check_name(&account.display_name)?;
    check_text(&account.role)?;
    let level = match Level::try_from(account.level) {
        Ok(level) if level != Level::Unspecified => level,
        _ => return Err(Refusal::Malformed("the account has no level")),
    };
    if directory.account_by_handle(&account.handle).is_some_and(|other| other.account_id != account_id) {
        return Err(Refusal::HandleTaken);
    }
    let enrolment_key = enrolment_key(directory, &account_id, &account)?;
    let record = AccountRecord {
        account_id,
        handle: account.handle,
        display_name: account.display_name,
        role: account.role,
        level,
        expires_at_ms: (account.expires_at_ms != 0).then_some(account.expires_at_ms),
        deleted: account.deleted,
        enrolment_keys: Vec::new(),
        version: 0,
    };
    Ok(Meaning::Account { record, enrolment_key })
}

/// A statement that changes something else may leave the key out, or repeat a key to change until when it holds.
fn enrolment_key(
    directory: &Directory,
    account_id: &AccountId,
    account: &wire::Account,
) -> Result<Option<EnrolmentKeyRecord>, Refusal> {
    let expires_at_ms = account.enrolment_expires_at_ms;
    if account.enrolment_public_key.is_empty() && expires_at_ms == 0 {
        return Ok(None);
    }
    let public_key = PublicKey::parse(&account.enrolment_public_key)?;
    if expires_at_ms == 0 {
        return Err(Refusal::Malformed("an enrolment key expires"));
    }
    match directory.enrolment_account(&public_key) {
        Some(owner) if owner != account_id => Err(Refusal::EnrolmentKeyTaken),
        _ => Ok(Some(EnrolmentKeyRecord { public_key, expires_at_ms })),
    }
}

fn group(directory: &Directory, group: wire::Group) -> Result<Meaning, Refusal> {
    let group_id = GroupId::parse(&group.group_id)?;
    match directory.group(&group_id) {
        Some(known) if known.deleted => return Err(Refusal::Deleted),
        None if group.deleted => return Err(Refusal::UnknownGroup),
        _ => {}
    }
    if !group.deleted {
        check_name(&group.name)?;
        if directory.group_by_name(&group.name).is_some_and(|other| other.group_id != group_id) {
            return Err(Refusal::GroupNameTaken);
        }
    }
    Ok(Meaning::Group { group_id, name: group.name, deleted: group.deleted })
}

fn membership(directory: &Directory, membership: &wire::GroupMembership) -> Result<Meaning, Refusal> {
    let group_id = GroupId::parse(&membership.group_id)?;
    if directory.group(&group_id).is_none_or(|group| group.deleted) {
        return Err(Refusal::UnknownGroup);
    }
    let count = membership.added_account_ids.len() + membership.removed_account_ids.len();
    if count == 0 || count > limit::MEMBERS_PER_STATEMENT {
        return Err(Refusal::Malformed("a membership statement names 1 to 400 accounts"));
    }
    let mut seen = BTreeSet::new();
    let mut parse = |ids: &[bytes::Bytes]| {
        let parse_one = |id: &bytes::Bytes| {
            let id = AccountId::parse(id)?;
            if !seen.insert(id) {
                return Err(Refusal::Malformed("a membership statement names each account once"));
            }
            match directory.account(&id) {
                Some(account) => Ok((id, account.deleted)),
                None => Err(Refusal::UnknownAccount),
            }
        };
        ids.iter().map(parse_one).collect::<Result<Vec<_>, _>>()
    };
    let added = parse(&membership.added_account_ids)?;
    let removed = parse(&membership.removed_account_ids)?;
    if added.iter().any(|(_, deleted)| *deleted) {
        return Err(Refusal::UnknownAccount);
    }
    let ids = |list: Vec<(AccountId, bool)>| list.into_iter().map(|(id, _)| id).collect();
    Ok(Meaning::Membership { group_id, added: ids(added), removed: ids(removed) })
}

fn node(directory: &Directory, node: wire::Node) -> Result<Meaning, Refusal> {
    let node_id = NodeId::parse(&node.node_id)?;
    match directory.node(&node_id) {
        Some(known) if known.deleted => return Err(Refusal::Deleted),
        None if node.deleted => return Err(Refusal::UnknownNode),
        // A deletion needs no more than the id: what was stated before stays on record.
        Some(known) if node.deleted => return Ok(Meaning::Node(NodeRecord { deleted: true, ..known.clone() })),
        _ => {}
    }
    check_name(&node.name)?;
    if node.addresses.is_empty() || node.addresses.len() > limit::NODE_ADDRESSES_MAX {
        return Err(Refusal::Malformed("a node has 1 to 8 addresses"));
    }
    for address in &node.addresses {
        check_address(address)?;
    }
    let certificate_sha256 = node.certificate_sha256.as_ref().try_into();
    Ok(Meaning::Node(NodeRecord {
        node_id,
        name: node.name,
        addresses: node.addresses,
        certificate_sha256: certificate_sha256.map_err(|_| Refusal::Malformed("a certificate hash has 32 bytes"))?,
        proposer_public_key: PublicKey::parse(&node.proposer_public_key)?,
        deleted: false,
    }))
}

fn channel(directory: &Directory, channel: wire::Channel) -> Result<Meaning, Refusal> {
    let channel_id = ConversationId::parse(&channel.channel_id)?;
    match directory.channel(&channel_id) {
        Some(known) if known.deleted => return Err(Refusal::Deleted),
        None if channel.deleted => return Err(Refusal::UnknownChannel),
        // A deletion needs no more than the id: what was stated before stays on record.
        Some(known) if channel.deleted => {
            return Ok(Meaning::Channel(ChannelRecord { deleted: true, ..known.clone() }));
        }
        _ => {}
    }
    check_name(&channel.name)?;
    if directory.channel_by_name(&channel.name).is_some_and(|other| other.channel_id != channel_id) {
        return Err(Refusal::ChannelNameTaken);
    }
    let groups = set(&channel.audience_group_ids, GroupId::parse)?;
    let operators = set(&channel.operator_account_ids, AccountId::parse)?;
    if groups.len() > limit::CHANNEL_GROUPS_MAX || !(1..=limit::CHANNEL_OPERATORS_MAX).contains(&operators.len()) {
        return Err(Refusal::Malformed("a channel has up to 64 groups and 1 to 64 operators"));
    }
    if !channel.everyone && groups.is_empty() {
        return Err(Refusal::Malformed("a channel is for everyone or for groups"));
    }
    if groups.iter().any(|id| directory.group(id).is_none_or(|group| group.deleted)) {
        return Err(Refusal::UnknownGroup);
    }
    let is_person = |id| directory.account(id).is_some_and(|one| !one.deleted && one.level != Level::Archive);
    if !operators.iter().all(is_person) {
        return Err(Refusal::UnknownAccount);
    }
    Ok(Meaning::Channel(ChannelRecord {
        channel_id,
        name: channel.name,
        everyone: channel.everyone,
        groups,
        operators,
        deleted: false,
        ever: BTreeMap::new(),
    }))
}

/// Ids of which none comes twice.
fn set<T: Ord>(
    ids: &[bytes::Bytes],
    parse: impl Fn(&[u8]) -> Result<T, wardline_protocol::WireError>,
) -> Result<BTreeSet<T>, Refusal> {
    let parsed = ids.iter().map(|id| parse(id)).collect::<Result<BTreeSet<_>, _>>()?;
    if parsed.len() == ids.len() { Ok(parsed) } else { Err(Refusal::Malformed("a channel names each id once")) }
}

/// A handle: 1 to 64 of `a-z 0-9 . - _`, starting and ending with a letter or digit. No two look alike, and none needs quoting.
pub(crate) fn check_handle(handle: &str) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let sound = handle.len() <= limit::HANDLE_CHARS_MAX
        && handle.chars().all(|c| plain(c) || matches!(c, '.' | '-' | '_'))
        && handle.starts_with(plain)
        && handle.ends_with(plain);
    if sound {
        Ok(())
    } else {
        Err(Refusal::Malformed(
            "a handle is 1 to 64 of a-z, 0-9, '.', '-', '_', starting and ending with a letter or digit",
        ))
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    match name.trim() {
        "" => Err(Refusal::Malformed("a name is missing")),
        trimmed if trimmed.len() != name.len() => Err(Refusal::Malformed("a name has no space around it")),
        _ => check_text(name),
    }
}

/// Controls and direction overrides could make a name look like another one in a list or a terminal.
pub(crate) fn check_text(text: &str) -> Result<(), Refusal> {
    let forbidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if text.chars().count() > limit::NAME_CHARS_MAX {
        return Err(Refusal::Malformed("a name has at most 128 characters"));
    }
    if text.chars().any(forbidden) {
        return Err(Refusal::Malformed("a name has no invisible characters"));
    }
    Ok(())
}

pub(crate) fn check_address(address: &str) -> Result<(), Refusal> {
    let sound = address.len() <= limit::ADDRESS_CHARS_MAX
        && address.rsplit_once(':').is_some_and(|(host, port)| {
            let host_sound = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
            host_sound && port.parse::<u16>().is_ok_and(|port| port != 0)
        });
    if sound { Ok(()) } else { Err(Refusal::Malformed("an address is host:port")) }
}
