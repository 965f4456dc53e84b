//! The conformance suite: one `#[test]` per promise and store. `store_suite!(name, make)` runs all on what `make` returns: a
//! store, and whatever must outlive it.

pub mod control;
pub mod log;
pub mod pins;
pub mod records;

macro_rules! store_suite {
    ($name:ident, $make:expr; $($group:ident: [$($case:ident),* $(,)?]),* $(,)?) => {
        mod $name {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (store, _kept) = $make;
                    super::$group::$case(std::sync::Arc::new(store)).await;
                }
            )*)*
        }
    };
    ($name:ident, $make:expr) => {
        store_suite!($name, $make;
            log: [
                of_two_racers_one_wins_and_the_other_is_told_who, the_log_has_no_gaps,
                an_idempotency_key_answers_the_first_revision, the_head_is_watched, blobs_are_named_by_their_digest,
                what_is_erased_does_not_come_back,
            ],
            pins: [
                racers_agree_on_one_pin, a_loser_is_not_enrolled, a_crossing_replaces_and_never_goes_back,
                idle_sessions_end, old_sessions_end, a_turn_keeps_the_whole_session, a_closed_session_starts_anew,
                a_unit_is_enrolled_once, open_sessions_are_counted,
            ],
            records: [
                counted_once, judge_queue_is_joined_and_left, a_verdict_may_come_first, a_failed_job_waits_or_goes,
                found_by_either_id, records_are_read_in_order, the_list_is_filtered, records_are_watched,
            ],
            control: [
                cursors_only_move_on, tokens_are_kept_and_revoked, nodes_last_word_counts, papers_change_by_compare_and_swap,
                of_two_writers_of_a_paper_one_wins, usage_adds_up,
            ],
        );
    };
}

store_suite!(postgres, (crate::postgres::fresh().await, ()));
store_suite!(memory, (serinus_store::MemoryStore::default(), ()));
store_suite!(sqlite, {
    let directory = tempfile::tempdir().unwrap();
    (
        serinus_store::SqliteStore::open(directory.path(), serinus_store::SqliteOptions::default()).unwrap(),
        directory,
    )
});
