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

impl StorageProvider<CURRENT_VERSION> for Cells {
    type Error = CellError;

    fn write_tree<GroupId: traits::GroupId<CURRENT_VERSION>, TreeSync: traits::TreeSync<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
        tree: &TreeSync,
    ) -> Result<(), CellError> {
        self.put(key(Label::Tree, group_id)?, tree)
    }

    fn tree<GroupId: traits::GroupId<CURRENT_VERSION>, TreeSync: traits::TreeSync<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<Option<TreeSync>, CellError> {
        self.get(&key(Label::Tree, group_id)?)
    }

    fn delete_tree<GroupId: traits::GroupId<CURRENT_VERSION>>(&self, group_id: &GroupId) -> Result<(), CellError> {
        self.delete(&key(Label::Tree, group_id)?);
        Ok(())
    }

    fn write_interim_transcript_hash<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        InterimTranscriptHash: traits::InterimTranscriptHash<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
        hash: &InterimTranscriptHash,
    ) -> Result<(), CellError> {
        self.put(key(Label::InterimTranscriptHash, group_id)?, hash)
    }

    fn interim_transcript_hash<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        InterimTranscriptHash: traits::InterimTranscriptHash<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
    ) -> Result<Option<InterimTranscriptHash>, CellError> {
        self.get(&key(Label::InterimTranscriptHash, group_id)?)
    }

    fn delete_interim_transcript_hash<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::InterimTranscriptHash, group_id)?);
        Ok(())
    }

    fn write_context<GroupId: traits::GroupId<CURRENT_VERSION>, GroupContext: traits::GroupContext<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
        context: &GroupContext,
    ) -> Result<(), CellError> {
        self.put(key(Label::GroupContext, group_id)?, context)
    }

    fn group_context<GroupId: traits::GroupId<CURRENT_VERSION>, GroupContext: traits::GroupContext<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<Option<GroupContext>, CellError> {
        self.get(&key(Label::GroupContext, group_id)?)
    }

    fn delete_context<GroupId: traits::GroupId<CURRENT_VERSION>>(&self, group_id: &GroupId) -> Result<(), CellError> {
        self.delete(&key(Label::GroupContext, group_id)?);
        Ok(())
    }

    fn write_confirmation_tag<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ConfirmationTag: traits::ConfirmationTag<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
        tag: &ConfirmationTag,
    ) -> Result<(), CellError> {
        self.put(key(Label::ConfirmationTag, group_id)?, tag)
    }

    fn confirmation_tag<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ConfirmationTag: traits::ConfirmationTag<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
    ) -> Result<Option<ConfirmationTag>, CellError> {
        self.get(&key(Label::ConfirmationTag, group_id)?)
    }

    fn delete_confirmation_tag<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::ConfirmationTag, group_id)?);
        Ok(())
    }

    fn write_group_state<GroupState: traits::GroupState<CURRENT_VERSION>, GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
        state: &GroupState,
    ) -> Result<(), CellError> {
        self.put(key(Label::GroupState, group_id)?, state)
    }

    fn group_state<GroupState: traits::GroupState<CURRENT_VERSION>, GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<Option<GroupState>, CellError> {
        self.get(&key(Label::GroupState, group_id)?)
    }

    fn delete_group_state<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::GroupState, group_id)?);
        Ok(())
    }

    fn write_message_secrets<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        MessageSecrets: traits::MessageSecrets<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
        secrets: &MessageSecrets,
    ) -> Result<(), CellError> {
        self.put(key(Label::MessageSecrets, group_id)?, secrets)
    }

    fn message_secrets<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        MessageSecrets: traits::MessageSecrets<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
    ) -> Result<Option<MessageSecrets>, CellError> {
        self.get(&key(Label::MessageSecrets, group_id)?)
    }

    fn delete_message_secrets<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::MessageSecrets, group_id)?);
        Ok(())
    }

    fn write_resumption_psk_store<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ResumptionPskStore: traits::ResumptionPskStore<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
        store: &ResumptionPskStore,
    ) -> Result<(), CellError> {
        self.put(key(Label::ResumptionPsk, group_id)?, store)
    }

    fn resumption_psk_store<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ResumptionPskStore: traits::ResumptionPskStore<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
    ) -> Result<Option<ResumptionPskStore>, CellError> {
        self.get(&key(Label::ResumptionPsk, group_id)?)
    }

    fn delete_all_resumption_psk_secrets<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::ResumptionPsk, group_id)?);
        Ok(())
    }

    fn write_own_leaf_index<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        LeafNodeIndex: traits::LeafNodeIndex<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
        index: &LeafNodeIndex,
    ) -> Result<(), CellError> {
        self.put(key(Label::OwnLeafIndex, group_id)?, index)
    }

    fn own_leaf_index<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        LeafNodeIndex: traits::LeafNodeIndex<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
    ) -> Result<Option<LeafNodeIndex>, CellError> {
        self.get(&key(Label::OwnLeafIndex, group_id)?)
    }

    fn delete_own_leaf_index<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::OwnLeafIndex, group_id)?);
        Ok(())
    }

    fn write_group_epoch_secrets<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        GroupEpochSecrets: traits::GroupEpochSecrets<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
        secrets: &GroupEpochSecrets,
    ) -> Result<(), CellError> {
        self.put(key(Label::EpochSecrets, group_id)?, secrets)
    }

    fn group_epoch_secrets<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        GroupEpochSecrets: traits::GroupEpochSecrets<CURRENT_VERSION>,
    >(
        &self,
        group_id: &GroupId,
    ) -> Result<Option<GroupEpochSecrets>, CellError> {
        self.get(&key(Label::EpochSecrets, group_id)?)
    }

    fn delete_group_epoch_secrets<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::EpochSecrets, group_id)?);
        Ok(())
    }

    fn write_signature_key_pair<
        SignaturePublicKey: traits::SignaturePublicKey<CURRENT_VERSION>,
        SignatureKeyPair: traits::SignatureKeyPair<CURRENT_VERSION>,
    >(
        &self,
        public_key: &SignaturePublicKey,
        pair: &SignatureKeyPair,
    ) -> Result<(), CellError> {
        self.put(key(Label::SignatureKeyPair, public_key)?, pair)
    }

    fn signature_key_pair<
        SignaturePublicKey: traits::SignaturePublicKey<CURRENT_VERSION>,
        SignatureKeyPair: traits::SignatureKeyPair<CURRENT_VERSION>,
    >(
        &self,
        public_key: &SignaturePublicKey,
    ) -> Result<Option<SignatureKeyPair>, CellError> {
        self.get(&key(Label::SignatureKeyPair, public_key)?)
    }

    fn delete_signature_key_pair<SignaturePublicKey: traits::SignaturePublicKey<CURRENT_VERSION>>(
        &self,
        public_key: &SignaturePublicKey,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::SignatureKeyPair, public_key)?);
        Ok(())
    }

    fn write_key_package<
        HashReference: traits::HashReference<CURRENT_VERSION>,
        KeyPackage: traits::KeyPackage<CURRENT_VERSION>,
    >(
        &self,
        hash_ref: &HashReference,
        key_package: &KeyPackage,
    ) -> Result<(), CellError> {
        self.put(key(Label::KeyPackage, hash_ref)?, key_package)
    }

    fn key_package<
        HashReference: traits::HashReference<CURRENT_VERSION>,
        KeyPackage: traits::KeyPackage<CURRENT_VERSION>,
    >(
        &self,
        hash_ref: &HashReference,
    ) -> Result<Option<KeyPackage>, CellError> {
        self.get(&key(Label::KeyPackage, hash_ref)?)
    }

    fn delete_key_package<HashReference: traits::HashReference<CURRENT_VERSION>>(
        &self,
        hash_ref: &HashReference,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::KeyPackage, hash_ref)?);
        Ok(())
    }

    fn write_psk<PskId: traits::PskId<CURRENT_VERSION>, PskBundle: traits::PskBundle<CURRENT_VERSION>>(
        &self,
        psk_id: &PskId,
        psk: &PskBundle,
    ) -> Result<(), CellError> {
        self.put(key(Label::Psk, psk_id)?, psk)
    }

    fn psk<PskBundle: traits::PskBundle<CURRENT_VERSION>, PskId: traits::PskId<CURRENT_VERSION>>(
        &self,
        psk_id: &PskId,
    ) -> Result<Option<PskBundle>, CellError> {
        self.get(&key(Label::Psk, psk_id)?)
    }

    fn delete_psk<PskId: traits::PskId<CURRENT_VERSION>>(&self, psk_id: &PskId) -> Result<(), CellError> {
        self.delete(&key(Label::Psk, psk_id)?);
        Ok(())
    }

    fn write_encryption_key_pair<
        EncryptionKey: traits::EncryptionKey<CURRENT_VERSION>,
        HpkeKeyPair: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        public_key: &EncryptionKey,
        pair: &HpkeKeyPair,
    ) -> Result<(), CellError> {
        self.put(key(Label::EncryptionKeyPair, public_key)?, pair)
    }

    fn encryption_key_pair<
        HpkeKeyPair: traits::HpkeKeyPair<CURRENT_VERSION>,
        EncryptionKey: traits::EncryptionKey<CURRENT_VERSION>,
    >(
        &self,
        public_key: &EncryptionKey,
    ) -> Result<Option<HpkeKeyPair>, CellError> {
        self.get(&key(Label::EncryptionKeyPair, public_key)?)
    }

    fn delete_encryption_key_pair<EncryptionKey: traits::EncryptionKey<CURRENT_VERSION>>(
        &self,
        public_key: &EncryptionKey,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::EncryptionKeyPair, public_key)?);
        Ok(())
    }

    fn delete_group_config<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::JoinConfig, group_id)?);
        Ok(())
    }

    fn delete_own_leaf_nodes<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        group_id: &GroupId,
    ) -> Result<(), CellError> {
        self.delete(&key(Label::OwnLeafNodes, group_id)?);
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
