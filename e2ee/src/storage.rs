//! openmls' `StorageProvider` over [`Cells`].
//!
//! A cell's key is one label byte and the postcard form of openmls' key. Nothing is ever read from elsewhere.
use crate::cells::{CellError, Cells};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::OpenMlsProvider;
use openmls_traits::storage::{CURRENT_VERSION, StorageProvider, traits};
use serde::{Serialize, de::DeserializeOwned};

/// The first byte of a cell's key. Stable: stored state depends on it.
#[repr(u8)]
#[derive(Clone, Copy)]
pub(crate) enum Label {
    Format = 0,
    Tree = 1,
    GroupContext = 2,
    InterimTranscriptHash = 3,
    ConfirmationTag = 4,
    JoinConfig = 5,
    OwnLeafNodes = 6,
    GroupState = 7,
    QueuedProposal = 8,
    ProposalRefs = 9,
    OwnLeafIndex = 10,
    EpochSecrets = 11,
    ResumptionPsk = 12,
    MessageSecrets = 13,
    EpochKeyPairs = 14,
    KeyPackage = 15,
    Psk = 16,
    EncryptionKeyPair = 17,
    SignatureKeyPair = 18,
    /// Ours: an external join that waits for the node's answer.
    PendingJoin = 32,
    /// Ours: calls of the present epoch that were rung or talked in.
    SpentCalls = 33,
}

/// The key of a cell.
pub(crate) fn key<K: Serialize + ?Sized>(label: Label, key: &K) -> Result<Vec<u8>, CellError> {
    postcard::to_extend(key, vec![label as u8]).map_err(|_| CellError)
}

/// What openmls calls its provider: cryptography, randomness, and the cells.
#[derive(Default)]
pub(crate) struct Provider {
    crypto: RustCrypto,
    pub(crate) cells: Cells,
}

impl Provider {
    pub(crate) fn new(cells: Cells) -> Self {
        Self { crypto: RustCrypto::default(), cells }
    }
}

impl OpenMlsProvider for Provider {
    type CryptoProvider = RustCrypto;
    type RandProvider = RustCrypto;
    type StorageProvider = Cells;

    fn storage(&self) -> &Cells {
        &self.cells
    }

    fn crypto(&self) -> &RustCrypto {
        &self.crypto
    }

    fn rand(&self) -> &RustCrypto {
        &self.crypto
    }
}

impl Cells {
    /// Lists are stored as the encoded forms of their items.
    fn list(&self, key: &[u8]) -> Result<Vec<Vec<u8>>, CellError> {
        Ok(self.get(key)?.unwrap_or_default())
    }

    fn append<V: Serialize>(&self, key: Vec<u8>, item: &V) -> Result<(), CellError> {
        let mut list = self.list(&key)?;
        list.push(encode(item)?);
        self.put(key, &list)
    }

    fn decoded_list<V: DeserializeOwned>(&self, key: &[u8]) -> Result<Vec<V>, CellError> {
        self.list(key)?.iter().map(|item| postcard::from_bytes(item).map_err(|_| CellError)).collect()
    }
}

fn encode<V: Serialize + ?Sized>(value: &V) -> Result<Vec<u8>, CellError> {
    postcard::to_allocvec(value).map_err(|_| CellError)
}

/// The functions for one kind of cell: what writes it, what reads it, what deletes it. openmls fixes the order of type parameters,
/// which differs.
macro_rules! stored {
    ($($label:ident: $key:ident => $value:ident;
       $write:ident<$($w:ident),+>, $read:ident<$($r:ident),+>, $delete:ident;)+) => {$(
        fn $write<$($w: traits::$w<CURRENT_VERSION>),+>(&self, id: &$key, value: &$value) -> Result<(), CellError> {
            self.put(key(Label::$label, id)?, value)
        }

        fn $read<$($r: traits::$r<CURRENT_VERSION>),+>(&self, id: &$key) -> Result<Option<$value>, CellError> {
            self.get(&key(Label::$label, id)?)
        }

        fn $delete<$key: traits::$key<CURRENT_VERSION>>(&self, id: &$key) -> Result<(), CellError> {
            self.delete(&key(Label::$label, id)?);
            Ok(())
        }
    )+};
}

impl StorageProvider<CURRENT_VERSION> for Cells {
    type Error = CellError;

    stored! {
        Tree: GroupId => TreeSync;
        write_tree<GroupId, TreeSync>, tree<GroupId, TreeSync>, delete_tree;
        InterimTranscriptHash: GroupId => InterimTranscriptHash;
        write_interim_transcript_hash<GroupId, InterimTranscriptHash>,
        interim_transcript_hash<GroupId, InterimTranscriptHash>,
        delete_interim_transcript_hash;
        GroupContext: GroupId => GroupContext;
        write_context<GroupId, GroupContext>, group_context<GroupId, GroupContext>, delete_context;
        ConfirmationTag: GroupId => ConfirmationTag;
        write_confirmation_tag<GroupId, ConfirmationTag>,
        confirmation_tag<GroupId, ConfirmationTag>,
        delete_confirmation_tag;
        GroupState: GroupId => GroupState;
        write_group_state<GroupState, GroupId>, group_state<GroupState, GroupId>, delete_group_state;
        MessageSecrets: GroupId => MessageSecrets;
        write_message_secrets<GroupId, MessageSecrets>,
        message_secrets<GroupId, MessageSecrets>,
        delete_message_secrets;
        ResumptionPsk: GroupId => ResumptionPskStore;
        write_resumption_psk_store<GroupId, ResumptionPskStore>,
        resumption_psk_store<GroupId, ResumptionPskStore>,
        delete_all_resumption_psk_secrets;
        OwnLeafIndex: GroupId => LeafNodeIndex;
        write_own_leaf_index<GroupId, LeafNodeIndex>,
        own_leaf_index<GroupId, LeafNodeIndex>,
        delete_own_leaf_index;
        EpochSecrets: GroupId => GroupEpochSecrets;
        write_group_epoch_secrets<GroupId, GroupEpochSecrets>,
        group_epoch_secrets<GroupId, GroupEpochSecrets>,
        delete_group_epoch_secrets;
        SignatureKeyPair: SignaturePublicKey => SignatureKeyPair;
        write_signature_key_pair<SignaturePublicKey, SignatureKeyPair>,
        signature_key_pair<SignaturePublicKey, SignatureKeyPair>,
        delete_signature_key_pair;
        KeyPackage: HashReference => KeyPackage;
        write_key_package<HashReference, KeyPackage>,
        key_package<HashReference, KeyPackage>,
        delete_key_package;
        Psk: PskId => PskBundle;
        write_psk<PskId, PskBundle>, psk<PskBundle, PskId>, delete_psk;
        EncryptionKeyPair: EncryptionKey => HpkeKeyPair;
        write_encryption_key_pair<EncryptionKey, HpkeKeyPair>,
        encryption_key_pair<HpkeKeyPair, EncryptionKey>,
        delete_encryption_key_pair;
    }

    fn delete_group_config<G: traits::GroupId<CURRENT_VERSION>>(&self, id: &G) -> Result<(), CellError> {
        self.delete(&key(Label::JoinConfig, id)?);
        Ok(())
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<CURRENT_VERSION>>(&self, id: &G) -> Result<(), CellError> {
        self.delete(&key(Label::OwnLeafNodes, id)?);
        Ok(())
    }

    /// JSON, since openmls reads this one type with `untagged`, which postcard cannot.
    fn write_mls_join_config<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        MlsGroupJoinConfig: traits::MlsGroupJoinConfig<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
        config: &MlsGroupJoinConfig,
    ) -> Result<(), CellError> {
        let json = serde_json::to_vec(config).map_err(|_| CellError)?;
        self.put_bytes(key(Label::JoinConfig, group_id)?, json);
        Ok(())
    }

    fn mls_group_join_config<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        MlsGroupJoinConfig: traits::MlsGroupJoinConfig<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
    ) -> Result<Option<MlsGroupJoinConfig>, CellError> {
        let json = self.get_bytes(&key(Label::JoinConfig, group_id)?);
        json.map(|json| serde_json::from_slice(&json).map_err(|_| CellError)).transpose()
    }

    fn own_leaf_nodes<GroupId: traits::GroupId<CURRENT_VERSION>, LeafNode: traits::LeafNode<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<Vec<LeafNode>, CellError> {
        self.decoded_list(&key(Label::OwnLeafNodes, group_id)?)
    }

    fn append_own_leaf_node<GroupId: traits::GroupId<CURRENT_VERSION>, LeafNode: traits::LeafNode<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
        leaf_node: &LeafNode,
    ) -> Result<(), CellError> {
        self.append(key(Label::OwnLeafNodes, group_id)?, leaf_node)
    }

    fn queue_proposal<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ProposalRef: traits::ProposalRef<CURRENT_VERSION>,
        QueuedProposal: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
        proposal_ref: &ProposalRef,
        proposal: &QueuedProposal,
    ) -> Result<(), CellError> {
        self.put(key(Label::QueuedProposal, &(group_id, proposal_ref))?, proposal)?;
        self.append(key(Label::ProposalRefs, group_id)?, proposal_ref)
    }

    fn queued_proposal_refs<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ProposalRef: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
    ) -> Result<Vec<ProposalRef>, CellError> {
        self.decoded_list(&key(Label::ProposalRefs, group_id)?)
    }

    fn queued_proposals<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ProposalRef: traits::ProposalRef<CURRENT_VERSION>,
        QueuedProposal: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
    ) -> Result<Vec<(ProposalRef, QueuedProposal)>, CellError> {
        let refs: Vec<ProposalRef> = self.decoded_list(&key(Label::ProposalRefs, group_id)?)?;
        refs.into_iter()
            .map(|proposal_ref| {
                let proposal = self.get(&key(Label::QueuedProposal, &(group_id, &proposal_ref))?)?;
                Ok((proposal_ref, proposal.ok_or(CellError)?))
            })
            .collect()
    }

    fn remove_proposal<GroupId: traits::GroupId<CURRENT_VERSION>, ProposalRef: traits::ProposalRef<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
        proposal_ref: &ProposalRef,
    ) -> Result<(), CellError> {
        let refs = key(Label::ProposalRefs, group_id)?;
        let gone = encode(proposal_ref)?;
        let mut list = self.list(&refs)?;
        list.retain(|item| *item != gone);
        self.put(refs, &list)?;
        self.delete(&key(Label::QueuedProposal, &(group_id, proposal_ref))?);
        Ok(())
    }

    fn clear_proposal_queue<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ProposalRef: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
    ) -> Result<(), CellError> {
        let refs = key(Label::ProposalRefs, group_id)?;
        for proposal_ref in self.decoded_list::<ProposalRef>(&refs)? {
            self.delete(&key(Label::QueuedProposal, &(group_id, proposal_ref))?);
        }
        self.delete(&refs);
        Ok(())
    }

    fn write_encryption_epoch_key_pairs<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        EpochKey: traits::EpochKey<CURRENT_VERSION>,
        HpkeKeyPair: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
        epoch: &EpochKey,
        leaf_index: u32,
        key_pairs: &[HpkeKeyPair],
    ) -> Result<(), CellError> {
        self.put(key(Label::EpochKeyPairs, &(group_id, epoch, leaf_index))?, key_pairs)
    }

    fn encryption_epoch_key_pairs<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        EpochKey: traits::EpochKey<CURRENT_VERSION>,
        HpkeKeyPair: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
        epoch: &EpochKey,
        leaf_index: u32,
    ) -> Result<Vec<HpkeKeyPair>, CellError> {
        Ok(self.get(&key(Label::EpochKeyPairs, &(group_id, epoch, leaf_index))?)?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        EpochKey: traits::EpochKey<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
        epoch: &EpochKey,
        leaf_index: u32,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::EpochKeyPairs, &(group_id, epoch, leaf_index))?);
        Ok(())
    }
}
