//! Changes of a group: planned here, made as a commit of the present epoch, and made again until the log has taken one in.
use super::apply::needs_newer_directory;
use super::conversation::Stage;
use super::request::Request;
use super::{Body, Core, Event, Failure, Misbehaviour, Reply, Token};
use wardline_e2ee::{Change, CommitApplied, EngineError, Refusal, roster};
use wardline_protocol::limit::ADDS_PER_COMMIT;
use wardline_protocol::wire::{self, ConversationKind, Roster, client_frame, response};
use wardline_protocol::{AccountId, Code, ConversationId, DeviceId, WireError};

/// Names a planned change.
pub(super) type PlanId = u64;

/// Times that a planned change is made again after a refusal that may pass.
const ATTEMPTS_MAX: u32 = 50;

/// Before a commit that must wait for somebody else's is made again.
const COMMIT_RETRY_MS: u64 = 300;

/// A change that somebody wants.
pub(super) struct Plan {
    pub(super) id: PlanId,
    pub(super) kind: PlanKind,
    pub(super) token: Option<Token>,
    /// Key packages are being fetched.
    pub(super) fetching: bool,
    /// Key packages to add, once fetched.
    pub(super) packages: Option<Vec<wire::KeyPackageOf>>,
    attempts: u32,
    directory_asked: bool,
    /// The log has taken in a commit of it.
    landed: bool,
}

#[derive(Clone)]
pub(super) enum PlanKind {
    /// All devices of these accounts, and the accounts on the roster. `created`: the answer is the conversation.
    Add { accounts: Vec<AccountId>, created: bool },
    /// These accounts off the roster, and their devices out.
    Remove { accounts: Vec<AccountId> },
    /// New keys for this device.
    Refresh,
}

/// The node's wish that this device removes members, or brings a channel's roster up to the statements; and until when it may.
pub(super) struct Lease {
    pub(super) epoch: u64,
    pub(super) until_ms: u64,
    pub(super) proposals: Vec<Vec<u8>>,
    pub(super) departed: Vec<AccountId>,
    /// To be put on a channel's roster, or marked otherwise there.
    pub(super) due: Vec<AccountId>,
    /// What the directory must have got to.
    pub(super) directory_version: u64,
    /// Key packages of those due, once fetched.
    pub(super) packages: Option<Vec<wire::KeyPackageOf>>,
    pub(super) fetching: bool,
}

/// A commit that was sent and has not come back in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InFlight {
    Plan(PlanId),
    Lease,
}

/// What a plan amounts to in the present epoch.
enum Step {
    Commit(Change),
    Fetch(Vec<AccountId>),
    Wait,
    Finished,
}

pub(super) fn roster_kind(roster: &Roster) -> ConversationKind {
    roster.kind()
}

impl Core {
    pub(super) fn plan(&mut self, id: ConversationId, kind: PlanKind, token: Option<Token>) {
        let plan_id = self.next_request_id;
        self.next_request_id += 1;
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.plans.push_back(Plan {
                id: plan_id,
                kind,
                token,
                fetching: false,
                packages: None,
                attempts: 0,
                directory_asked: false,
                landed: false,
            });
        }
        self.dirty.insert(id);
    }

    pub(super) fn lease(&mut self, lease: wire::CommitLease) {
        let Ok(id) = ConversationId::parse(&lease.conversation_id) else { return };
        let now_ms = self.now_ms;
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.lease = Some(Lease::new(lease, now_ms));
        self.dirty.insert(id);
    }

    /// Makes the next commit, when there is one to make and nothing stands before it.
    pub(super) fn pump_commits(&mut self, id: ConversationId) {
        loop {
            let Some(epoch) = self.engine.epoch(id) else { return };
            let Some(conversation) = self.conversations.get_mut(&id) else { return };
            let ready = conversation.stage == Stage::Joined
                && conversation.in_flight.is_none()
                && !conversation.unsure
                && conversation.hold.is_none()
                && conversation.wanted_epoch <= epoch;
            if !ready {
                return;
            }
            if let Some(lease) = &conversation.lease {
                if lease.epoch > epoch {
                    conversation.fetch_wanted = true;
                    return;
                }
                if lease.epoch == epoch {
                    if let Some(change) = self.leased_change(id) {
                        self.submit(id, change, InFlight::Lease);
                    }
                    return;
                }
                conversation.lease = None;
            }
            if conversation.retry_at_ms != 0 {
                return;
            }
            let Some(plan) = conversation.plans.front() else { return };
            let plan_id = plan.id;
            match self.step(id, plan_id) {
                Step::Wait => return,
                Step::Finished => self.plan_done(id, plan_id, Ok(())),
                Step::Fetch(accounts) => return self.fetch_key_packages(id, plan_id, &accounts),
                Step::Commit(change) => return self.submit(id, change, InFlight::Plan(plan_id)),
            }
        }
    }

    /// What is left to do of a plan: members and roster may have changed since it was made.
    fn step(&self, id: ConversationId, plan_id: PlanId) -> Step {
        let plan = self.conversations.get(&id).and_then(|c| c.plans.iter().find(|plan| plan.id == plan_id));
        let (Some(plan), Some(now)) = (plan, self.engine.roster(id)) else { return Step::Finished };
        let members = self.engine.members(id);
        match &plan.kind {
            PlanKind::Refresh => Step::Commit(Change::default()),
            PlanKind::Remove { accounts } => {
                let remove_devices: Vec<DeviceId> = members
                    .iter()
                    .filter(|member| accounts.contains(&member.account_id))
                    .map(|member| member.device_id)
                    .collect();
                let wanted = accounts.iter().fold(now.clone(), |roster, account| roster::without(&roster, *account));
                if remove_devices.is_empty() && wanted == now {
                    return Step::Finished;
                }
                Step::Commit(Change { remove_devices, roster: (wanted != now).then_some(wanted), ..Change::default() })
            }
            PlanKind::Add { .. } if plan.fetching => Step::Wait,
            PlanKind::Add { accounts, created } => {
                let Some(packages) = &plan.packages else { return Step::Fetch(accounts.clone()) };
                let absent = |package: &&wire::KeyPackageOf| {
                    let member = |m: &wardline_e2ee::Member| m.device_id.as_bytes().as_slice() == package.device_id;
                    !members.iter().any(member)
                };
                let add_key_packages: Vec<Vec<u8>> =
                    packages.iter().filter(absent).take(ADDS_PER_COMMIT).map(|p| p.key_package.to_vec()).collect();
                let wanted = accounts
                    .iter()
                    .filter(|account| !roster::contains(&now, **account))
                    .fold(now.clone(), |roster, account| roster::with(&roster, *account, false));
                if add_key_packages.is_empty() && wanted == now {
                    // Who is to be added is a member; but it may be leaving, which the node knows alone. It takes no commit then until the removal
                    // has been made, and there is something to add.
                    let there = !created && members.iter().any(|member| accounts.contains(&member.account_id));
                    return if there && !plan.landed { Step::Commit(Change::default()) } else { Step::Finished };
                }
                Step::Commit(Change {
                    add_key_packages,
                    roster: (wanted != now).then_some(wanted),
                    ..Change::default()
                })
            }
        }
    }

    fn submit(&mut self, id: ConversationId, change: Change, in_flight: InFlight) {
        let pending = match self.engine.commit(id, change, &self.directory, self.now_ms) {
            Ok(pending) => pending,
            Err(error) => return self.commit_not_made(id, in_flight, &error),
        };
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.in_flight = Some(in_flight);
        }
        let submit = wire::SubmitCommit {
            conversation_id: id.to_bytes(),
            proposals: pending.proposals.into_iter().map(Into::into).collect(),
            commit: pending.commit.into(),
            welcome: pending.welcome.unwrap_or_default().into(),
            group_info: pending.group_info.into(),
        };
        self.send(client_frame::Body::SubmitCommit(submit), Request::Commit(id));
    }

    fn commit_not_made(&mut self, id: ConversationId, in_flight: InFlight, error: &EngineError) {
        tracing::debug!(conversation = %id, %error, "a commit cannot be made");
        // A failed attempt must not leave anything pending: sending would stop.
        self.discard_pending(id);
        let InFlight::Plan(plan_id) = in_flight else {
            if let Some(conversation) = self.conversations.get_mut(&id) {
                conversation.lease = None;
            }
            if matches!(error, EngineError::Forbidden(_)) {
                // The node may propose to remove, and nothing else.
                self.event(Event::NodeRefused(Misbehaviour::ForbiddenCommit));
            }
            return;
        };
        let may_be_behind = matches!(error, EngineError::Forbidden(refusal) if needs_newer_directory(refusal));
        let twice = *error == EngineError::Forbidden(Refusal::DeviceTwice);
        if let Some(plan) = self.find_plan(id, plan_id)
            && ((may_be_behind && !std::mem::replace(&mut plan.directory_asked, true)) || (twice && plan.attempts < 2))
        {
            plan.attempts += 1;
            plan.packages = None;
            if may_be_behind {
                self.fetch_statements();
            }
            return self.commit_later(id, 0);
        }
        self.plan_done(id, plan_id, Err(Failure::Engine(error.to_string())));
        self.dirty.insert(id);
    }

    fn fetch_key_packages(&mut self, id: ConversationId, plan_id: PlanId, accounts: &[AccountId]) {
        if let Some(plan) = self.find_plan(id, plan_id) {
            plan.fetching = true;
        }
        let fetch = wire::FetchKeyPackages {
            account_ids: accounts.iter().map(AccountId::to_bytes).collect(),
            device_ids: Vec::new(),
        };
        self.send(client_frame::Body::FetchKeyPackages(fetch), Request::KeyPackages(id, plan_id));
    }

    pub(super) fn key_packages_fetched(
        &mut self,
        id: ConversationId,
        plan_id: PlanId,
        result: Result<response::Result, WireError>,
    ) {
        self.dirty.insert(id);
        let Some(plan) = self.find_plan(id, plan_id) else { return };
        plan.fetching = false;
        match result {
            Ok(response::Result::KeyPackages(packages)) => plan.packages = Some(packages.key_packages),
            Ok(_) => {}
            // The accounts go on the roster; their devices join from outside when they come.
            Err(error) if error.code == Code::NoKeyPackage => plan.packages = Some(Vec::new()),
            Err(error) if is_passing(error.code) && plan.attempts < ATTEMPTS_MAX => {
                plan.attempts += 1;
                self.commit_later(id, error.retry_after_ms.into());
            }
            Err(error) => self.plan_done(id, plan_id, Err(Failure::Refused(error))),
        }
    }

    pub(super) fn commit_answered(&mut self, id: ConversationId, result: Result<response::Result, WireError>) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        self.dirty.insert(id);
        let error = match result {
            Ok(response::Result::Committed(committed)) => {
                // It is merged when it comes in the log, in its order.
                conversation.head_seq = conversation.head_seq.max(committed.seq);
                return;
            }
            Ok(_) => return,
            Err(error) => error,
        };
        let Some(in_flight) = conversation.in_flight.take() else { return };
        if in_flight == InFlight::Lease && error.code != Code::Stale {
            conversation.lease = None;
        }
        self.discard_pending(id);
        match error.code {
            Code::Stale => {
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    conversation.wanted_epoch = conversation.wanted_epoch.max(error.current_epoch);
                }
            }
            Code::Future => self.heal(id),
            Code::Orphaned => self.not_in_group(id),
            Code::UnknownConversation => self.resigned(id),
            code => self.commit_rejected(id, in_flight, code, error),
        }
    }

    fn commit_rejected(&mut self, id: ConversationId, in_flight: InFlight, code: Code, error: WireError) {
        let InFlight::Plan(plan_id) = in_flight else { return };
        let Some(plan) = self.find_plan(id, plan_id) else { return };
        plan.attempts += 1;
        let waits_for_another = matches!(code, Code::MissingRemovals | Code::Leased);
        if (waits_for_another || is_passing(code)) && plan.attempts < ATTEMPTS_MAX {
            return self.commit_later(id, error.retry_after_ms.into());
        }
        self.plan_done(id, plan_id, Err(Failure::Refused(error)));
    }

    /// A commit of the log was applied, own or not.
    pub(super) fn commit_landed(&mut self, id: ConversationId, applied: &CommitApplied) {
        let own = self.identity.device;
        let outsider = applied.added.contains(&applied.committer) && applied.committer.device_id != own;
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.retry_at_ms = 0;
        if conversation.lease.as_ref().is_some_and(|lease| lease.epoch < applied.epoch) {
            conversation.lease = None;
        }
        if applied.own
            && let Some(in_flight) = conversation.in_flight.take()
        {
            self.own_commit_landed(id, in_flight);
        }
        if outsider {
            self.tell_title_to_outsider(id, applied);
        }
        self.dirty.insert(id);
    }

    fn own_commit_landed(&mut self, id: ConversationId, in_flight: InFlight) {
        let InFlight::Plan(plan_id) = in_flight else { return };
        let Some(plan) = self.find_plan(id, plan_id) else { return };
        plan.landed = true;
        if let PlanKind::Add { .. } = plan.kind {
            // There may be another batch; `step` finds out.
            if let Step::Finished = self.step(id, plan_id) {
                self.tell_title(id);
                self.plan_done(id, plan_id, Ok(()));
            }
        } else {
            self.plan_done(id, plan_id, Ok(()));
        }
    }

    /// A device that came from outside cannot read what was said before: the first of the others tells it the title again.
    fn tell_title_to_outsider(&mut self, id: ConversationId, applied: &CommitApplied) {
        let first = self.engine.members(id).into_iter().find(|member| member.device_id != applied.committer.device_id);
        if first.is_some_and(|first| first.device_id == self.identity.device) {
            self.tell_title(id);
        }
    }

    fn tell_title(&mut self, id: ConversationId) {
        let title = self.conversations.get(&id).and_then(|conversation| conversation.record.title.clone());
        if let Some(title) = title
            && let Err(error) = self.send_body(id, Body::Title(title))
        {
            tracing::warn!(conversation = %id, %error, "the title was not told");
        }
    }

    fn plan_done(&mut self, id: ConversationId, plan_id: PlanId, result: Result<(), Failure>) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Some(at) = conversation.plans.iter().position(|plan| plan.id == plan_id) else { return };
        let Some(plan) = conversation.plans.remove(at) else { return };
        if let Some(token) = plan.token {
            let created = matches!(plan.kind, PlanKind::Add { created: true, .. });
            let reply = if created { Reply::Conversation(id) } else { Reply::Done };
            self.done(token, result.map(|()| reply));
        }
    }

    fn commit_later(&mut self, id: ConversationId, after_ms: u64) {
        let now_ms = self.now_ms;
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.retry_at_ms = now_ms + after_ms.max(COMMIT_RETRY_MS);
        }
        self.dirty.insert(id);
    }

    pub(super) fn discard_pending(&mut self, id: ConversationId) {
        if let Err(error) = self.engine.discard_pending(id) {
            tracing::warn!(conversation = %id, %error, "a pending commit cannot be discarded");
        }
    }

    fn find_plan(&mut self, id: ConversationId, plan_id: PlanId) -> Option<&mut Plan> {
        self.conversations.get_mut(&id)?.plans.iter_mut().find(|plan| plan.id == plan_id)
    }
}

/// Whether the same request may succeed later.
fn is_passing(code: Code) -> bool {
    matches!(code, Code::RateLimited | Code::Internal | Code::Storage | Code::ShuttingDown)
}
