/* SPDX-License-Identifier: MIT
 *
 * The samples; see samples.h.
 */
#include "samples.h"

#define NO_ID EVENT_NO_ID
#define AT INT64_C(1767225600123456) /* 2026-01-01T00:00:00.123456Z */

static const struct failure root_cause = { .type = TEXT_INIT("Io"),
                                           .message = TEXT_INIT("disk"),
                                           .is_final = true };
static const struct failure failed = { .type = TEXT_INIT("Declined"),
                                       .message = TEXT_INIT("no money"),
                                       .cause = &root_cause };
static const struct failure timed_out = { .type = TEXT_INIT("Timeout"),
                                          .message = TEXT_INIT("late") };
static const struct failure tree_3 = { .type = TEXT_INIT("C"), .is_final = true };
static const struct failure tree_2 = {
    .type = TEXT_INIT("B"), .message = TEXT_INIT("two"), .cause = &timed_out, .next = &tree_3
};
static const struct failure tree_1 = { .type = TEXT_INIT("A"),
                                       .message = TEXT_INIT("one"),
                                       .next = &tree_2 };
static const struct failure all_failed = { .type = TEXT_INIT("Several"),
                                           .message = TEXT_INIT("3 of 9"),
                                           .cause = &tree_1 };
static const struct event_extra of_child = { .tags = TEXT_INIT("\x1e"
                                                               "empty\x1f\x1eregion\x1f"
                                                               "eu\x1e"),
                                             .has_parent = true,
                                             .parent_step = 7,
                                             .parent_id = TEXT_INIT("order-1"),
                                             .parent_execution_id = TEXT_INIT("e0"),
                                             .parent_name = TEXT_INIT("Order"),
                                             .parent_version = TEXT_INIT("2") };
static const struct event_extra of_step_0 = { .has_parent = true, .parent_id = TEXT_INIT("p") };
static const struct event_extra with_children = { .recurses = true };
static const struct event_extra of_task = { .tags = TEXT_INIT("\x1ek\x1fv\x1e"),
                                            .progress = TEXT_INIT("{\"row\":3}"),
                                            .limits = { 1000, 60000, INT64_MAX },
                                            .retry_of = 3,
                                            .first = 2 };
static const struct event_extra after_step_4 = { .retry_of = 5 };
static const struct event_extra with_progress = { .progress = TEXT_INIT("4") };
static const struct event_extra tagged = { .tags = TEXT_INIT("\x1e"
                                                             "a\x1f"
                                                             "1\x1e"
                                                             "b\x1f"
                                                             "2\x1e"),
                                           .retry_of = INT32_MAX };
static const struct event_extra from_order = { .has_parent = true,
                                               .parent_id = TEXT_INIT("order-1"),
                                               .parent_execution_id = TEXT_INIT("e1") };
static const struct event_extra of_locks = { .lock_set = TEXT_INIT("@account@1\n@b@\n@b@x@y\n") };
/* traceParent "00-1-2-01", traceState "a=b" */
#define TRACE                    \
    TEXT_INIT("\x0a\x09"         \
              "00-1-2-01"        \
              "\x1a\x05\x0a\x03" \
              "a=b")
static const struct event_extra traced = { .trace = TRACE };
static const struct event_extra traced_and_tagged = { .trace = TRACE,
                                                      .tags = TEXT_INIT("\x1ek\x1fv\x1e") };
static const struct event_extra at_second_lock = { .has_parent = true,
                                                   .parent_id = TEXT_INIT("order-1"),
                                                   .parent_execution_id = TEXT_INIT("e1"),
                                                   .lock_set = TEXT_INIT("@a@1\n@a@2\n"),
                                                   .position = 1 };
static const struct failure nameless = { .type = TEXT_INIT(""), .message = TEXT_INIT("") };

const struct sample samples[] = {
    { "execution_started",
      { .kind = EVENT_EXECUTION_STARTED,
        .id = 0,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("Hello"),
        .version = TEXT_INIT("1.0"),
        .payload = TEXT_INIT("\"Tokyo\""),
        .instance_id = TEXT_INIT("order-1"),
        .execution_id = TEXT_INIT("e1") },
      "0a39120b0880f2d6ca06108094ef3a1a2a0a0548656c6c6f12050a03312e301a090a0722"
      "546f6b796f22220f0a076f726465722d3112040a026531" },
    { "execution_started_bare",
      { .kind = EVENT_EXECUTION_STARTED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("H"),
        .instance_id = TEXT_INIT("i") },
      "0a2208ffffffffffffffffff01120b0880f2d6ca06108094ef3a1a080a014822030a0169" },
    { "execution_completed",
      { .kind = EVENT_EXECUTION_COMPLETED,
        .id = 5,
        .ref = NO_ID,
        .at = AT,
        .payload = TEXT_INIT("[1,2]"),
        .outcome = RUN_COMPLETED },
      "0a1c0805120b0880f2d6ca06108094ef3a220b080112070a055b312c325d" },
    { "execution_failed",
      { .kind = EVENT_EXECUTION_COMPLETED,
        .id = 5,
        .ref = NO_ID,
        .at = AT,
        .outcome = RUN_FAILED,
        .failure = &failed },
      "0a370805120b0880f2d6ca06108094ef3a222608031a220a084465636c696e656412086e"
      "6f206d6f6e6579220c0a02496f12046469736b2801" },
    { "execution_terminated",
      { .kind = EVENT_EXECUTION_TERMINATED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .payload = TEXT_INIT("\"stop\"") },
      "0a2408ffffffffffffffffff01120b0880f2d6ca06108094ef3a2a0a0a080a062273746f"
      "7022" },
    { "completed_as_terminated",
      { .kind = EVENT_EXECUTION_COMPLETED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .outcome = RUN_TERMINATED },
      "0a1c08ffffffffffffffffff01120b0880f2d6ca06108094ef3a22020805" },
    { "task_scheduled",
      { .kind = EVENT_TASK_SCHEDULED,
        .id = 3,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("SayHello"),
        .version = TEXT_INIT(""),
        .payload = TEXT_INIT("null") },
      "0a250803120b0880f2d6ca06108094ef3a32140a0853617948656c6c6f12001a060a046e"
      "756c6c" },
    { "task_completed",
      { .kind = EVENT_TASK_COMPLETED,
        .id = NO_ID,
        .ref = 3,
        .at = AT,
        .payload = TEXT_INIT("\"Hello \xe6\x9d\xb1\xe4\xba\xac!\"") },
      "0a2f08ffffffffffffffffff01120b0880f2d6ca06108094ef3a3a15080312110a0f2248"
      "656c6c6f20e69db1e4baac2122" },
    { "task_completed_step_0",
      { .kind = EVENT_TASK_COMPLETED, .id = NO_ID, .ref = 0, .at = AT, .payload = TEXT_INIT("") },
      "0a1c08ffffffffffffffffff01120b0880f2d6ca06108094ef3a3a021200" },
    { "task_failed",
      { .kind = EVENT_TASK_FAILED, .id = NO_ID, .ref = 300, .at = AT, .failure = &failed },
      "0a4108ffffffffffffffffff01120b0880f2d6ca06108094ef3a422708ac0212220a0844"
      "65636c696e656412086e6f206d6f6e6579220c0a02496f12046469736b2801" },
    { "task_failed_nameless",
      { .kind = EVENT_TASK_FAILED, .id = NO_ID, .ref = 1, .at = AT, .failure = &nameless },
      "0a1e08ffffffffffffffffff01120b0880f2d6ca06108094ef3a420408011200" },
    { "timer_created",
      { .kind = EVENT_TIMER_CREATED,
        .id = 200,
        .ref = NO_ID,
        .at = AT,
        .fire_at = AT + INT64_C(3600000000) },
      "0a1f08c801120b0880f2d6ca06108094ef3a620d0a0b08908ed7ca06108094ef3a" },
    { "timer_of_a_retry",
      { .kind = EVENT_TIMER_CREATED,
        .id = 5,
        .ref = NO_ID,
        .at = AT,
        .fire_at = AT,
        .extra = &after_step_4 },
      "0a210805120b0880f2d6ca06108094ef3a62100a0b0880f2d6ca06108094ef3aa00605" },
    { "timer_before_1970",
      { .kind = EVENT_TIMER_CREATED, .id = 2, .ref = NO_ID, .at = -1, .fire_at = -1500000 },
      "0a2a0802121108ffffffffffffffffff0110988cebdc0362130a1108feffffffffffffff"
      "ff011080cab5ee01" },
    { "timer_fired",
      { .kind = EVENT_TIMER_FIRED, .id = NO_ID, .ref = 2, .at = AT, .fire_at = 0 },
      "0a1e08ffffffffffffffffff01120b0880f2d6ca06108094ef3a6a040a001002" },
    { "orchestrator_started",
      { .kind = EVENT_ORCHESTRATOR_STARTED, .id = NO_ID, .ref = NO_ID, .at = AT },
      "0a1a08ffffffffffffffffff01120b0880f2d6ca06108094ef3a7200" },
    { "orchestrator_completed",
      { .kind = EVENT_ORCHESTRATOR_COMPLETED, .id = NO_ID, .ref = NO_ID, .at = 0 },
      "0a0f08ffffffffffffffffff0112007a00" },
    { "event_raised",
      { .kind = EVENT_EVENT_RAISED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("Approved"),
        .payload = TEXT_INIT("{\"by\":\"ann\"}") },
      "0a3508ffffffffffffffffff01120b0880f2d6ca06108094ef3a8a011a0a08417070726f"
      "766564120e0a0c7b226279223a22616e6e227d" },
    { "execution_started_child",
      { .kind = EVENT_EXECUTION_STARTED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .fire_at = AT + INT64_C(3600000000),
        .name = TEXT_INIT("Ship"),
        .instance_id = TEXT_INIT("c"),
        .execution_id = TEXT_INIT("e1"),
        .extra = &of_child },
      "0a7408ffffffffffffffffff01120b0880f2d6ca06108094ef3a1a5a0a045368697022090a016312040a02653132"
      "0b08908ed7ca06108094ef3a2a21080712070a054f726465721a030a0132220f0a076f726465722d3112040a0265"
      "304a090a05656d70747912004a0c0a06726567696f6e12026575" },
    { "execution_started_by_step_0",
      { .kind = EVENT_EXECUTION_STARTED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("S"),
        .instance_id = TEXT_INIT("c"),
        .extra = &of_step_0 },
      "0a2908ffffffffffffffffff01120b0880f2d6ca06108094ef3a1a0f0a015322030a01632a0522030a0170" },
    { "execution_failed_of_several",
      { .kind = EVENT_EXECUTION_COMPLETED,
        .id = 5,
        .ref = NO_ID,
        .at = AT,
        .outcome = RUN_FAILED,
        .failure = &all_failed },
      "0a540805120b0880f2d6ca06108094ef3a224308031a3f0a075365766572616c120633206f66203922080a014112"
      "036f6e65a206190a0142120374776f220f0a0754696d656f757412046c617465a206050a01432801" },
    { "execution_terminated_with_children",
      { .kind = EVENT_EXECUTION_TERMINATED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .extra = &with_children },
      "0a1c08ffffffffffffffffff01120b0880f2d6ca06108094ef3a2a021001" },
    { "task_scheduled_with_all",
      { .kind = EVENT_TASK_SCHEDULED,
        .id = 3,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("SayHello"),
        .payload = TEXT_INIT("null"),
        .extra = &of_task },
      "0a530803120b0880f2d6ca06108094ef3a32420a0853617948656c6c6f1a060a046e756c6c2a060a016b120176"
      "a2060b0a097b22726f77223a337da806e807b006e0d403b806ffffffffffffffff7fc00603c80602" },
    { "task_failed_with_progress",
      { .kind = EVENT_TASK_FAILED,
        .id = NO_ID,
        .ref = 3,
        .at = AT,
        .failure = &timed_out,
        .extra = &with_progress },
      "0a3308ffffffffffffffffff01120b0880f2d6ca06108094ef3a42190803120f0a0754696d656f757412046c6174"
      "65a206030a0134" },
    { "child_created",
      { .kind = EVENT_CHILD_CREATED,
        .id = 4,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("Ship"),
        .version = TEXT_INIT("1.1"),
        .payload = TEXT_INIT("{}"),
        .instance_id = TEXT_INIT("e1:0004"),
        .extra = &tagged },
      "0a440804120b0880f2d6ca06108094ef3a4a330a0765313a303030341204536869701a050a03312e3122040a02"
      "7b7d32060a016112013132060a0162120132a006ffffffff07" },
    { "child_completed",
      { .kind = EVENT_CHILD_COMPLETED,
        .id = NO_ID,
        .ref = 4,
        .at = AT,
        .payload = TEXT_INIT("\"sent\"") },
      "0a2608ffffffffffffffffff01120b0880f2d6ca06108094ef3a520c080412080a062273656e7422" },
    { "child_failed",
      { .kind = EVENT_CHILD_FAILED, .id = NO_ID, .ref = 4, .at = AT, .failure = &all_failed },
      "0a5d08ffffffffffffffffff01120b0880f2d6ca06108094ef3a5a430804123f0a075365766572616c120633206f"
      "66203922080a014112036f6e65a206190a0142120374776f220f0a0754696d656f757412046c617465a206050a01"
      "432801" },
    { "event_sent",
      { .kind = EVENT_EVENT_SENT,
        .id = 6,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("Approved"),
        .payload = TEXT_INIT("true"),
        .instance_id = TEXT_INIT("order-2") },
      "0a2d0806120b0880f2d6ca06108094ef3a82011b0a076f726465722d321208417070726f7665641a060a04747275"
      "65" },
    { "execution_suspended",
      { .kind = EVENT_EXECUTION_SUSPENDED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .payload = TEXT_INIT("\"holiday\"") },
      "0a2808ffffffffffffffffff01120b0880f2d6ca06108094ef3aaa010d0a0b0a0922686f6c6964617922" },
    { "execution_resumed",
      { .kind = EVENT_EXECUTION_RESUMED, .id = NO_ID, .ref = NO_ID, .at = AT },
      "0a1b08ffffffffffffffffff01120b0880f2d6ca06108094ef3ab20100" },
    { "execution_rewound",
      { .kind = EVENT_EXECUTION_REWOUND,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .payload = TEXT_INIT("\"fixed\"") },
      "0a2608ffffffffffffffffff01120b0880f2d6ca06108094ef3af2010b0a090a0722666978656422" },
    { "step_cancelled",
      { .kind = EVENT_STEP_CANCELLED, .id = NO_ID, .ref = 9, .at = AT },
      "0a1d08ffffffffffffffffff01120b0880f2d6ca06108094ef3aa206020809" },
    { "step_0_cancelled",
      { .kind = EVENT_STEP_CANCELLED, .id = NO_ID, .ref = 0, .at = AT },
      "0a1b08ffffffffffffffffff01120b0880f2d6ca06108094ef3aa20600" },
    { "change_marked",
      { .kind = EVENT_CHANGE_MARKED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("fix-42") },
      "0a2308ffffffffffffffffff01120b0880f2d6ca06108094ef3aaa06080a066669782d3432" },
    { "entity_signaled",
      { .kind = EVENT_ENTITY_SIGNALED,
        .id = 3,
        .ref = NO_ID,
        .at = AT,
        .fire_at = AT + INT64_C(3600000000),
        .name = TEXT_INIT("add"),
        .payload = TEXT_INIT("1"),
        .instance_id = TEXT_INIT("@counter@x"),
        .request_id = TEXT_INIT("6ba7b810-9dad-51d1-80b4-00c04fd430c8") },
      "0a5d0803120b0880f2d6ca06108094ef3aba014b0a2436626137623831302d396461642d353164312d383062342d"
      "30306330346664343330633812036164641a0b08908ed7ca06108094ef3a22030a01312a0c0a0a40636f756e7465"
      "724078" },
    { "entity_signaled_by_an_owner",
      { .kind = EVENT_ENTITY_SIGNALED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("Add"),
        .payload = TEXT_INIT(""),
        .request_id = TEXT_INIT("r1"),
        .extra = &from_order },
      "0a3908ffffffffffffffffff01120b0880f2d6ca06108094ef3aba011e0a02723112034164642200a206090a076f"
      "726465722d31aa06040a026531" },
    { "entity_called",
      { .kind = EVENT_ENTITY_CALLED,
        .id = 4,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("get"),
        .instance_id = TEXT_INIT("@counter@"),
        .request_id = TEXT_INIT("6ba7b810-9dad-51d1-80b4-00c04fd430c8") },
      "0a4a0804120b0880f2d6ca06108094ef3ac201380a2436626137623831302d396461642d353164312d383062342d"
      "30306330346664343330633812036765743a0b0a0940636f756e74657240" },
    { "entity_called_by_an_order",
      { .kind = EVENT_ENTITY_CALLED,
        .id = 4,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("get"),
        .payload = TEXT_INIT("{}"),
        .request_id = TEXT_INIT("r1"),
        .extra = &from_order },
      "0a320804120b0880f2d6ca06108094ef3ac201200a027231120367657422040a027b7d2a090a076f726465722d31"
      "32040a026531" },
    { "entity_completed",
      { .kind = EVENT_ENTITY_COMPLETED,
        .id = NO_ID,
        .ref = 4,
        .at = AT,
        .payload = TEXT_INIT("5"),
        .request_id = TEXT_INIT("6ba7b810-9dad-51d1-80b4-00c04fd430c8") },
      "0a4908ffffffffffffffffff01120b0880f2d6ca06108094ef3aca012e0a2436626137623831302d396461642d35"
      "3164312d383062342d30306330346664343330633812030a0135a00604" },
    { "entity_completed_step_0",
      { .kind = EVENT_ENTITY_COMPLETED,
        .id = NO_ID,
        .ref = 0,
        .at = AT,
        .request_id = TEXT_INIT("r1") },
      "0a2208ffffffffffffffffff01120b0880f2d6ca06108094ef3aca01070a027231a00600" },
    { "entity_completed_elsewhere",
      { .kind = EVENT_ENTITY_COMPLETED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .payload = TEXT_INIT(""),
        .request_id = TEXT_INIT("r1") },
      "0a2108ffffffffffffffffff01120b0880f2d6ca06108094ef3aca01060a0272311200" },
    { "entity_failed",
      { .kind = EVENT_ENTITY_FAILED,
        .id = NO_ID,
        .ref = 300,
        .at = AT,
        .request_id = TEXT_INIT("r1"),
        .failure = &failed },
      "0a4708ffffffffffffffffff01120b0880f2d6ca06108094ef3ad2012c0a02723112220a084465636c696e656412"
      "086e6f206d6f6e6579220c0a02496f12046469736b2801a006ac02" },
    { "lock_requested",
      { .kind = EVENT_LOCK_REQUESTED,
        .id = 5,
        .ref = NO_ID,
        .at = AT,
        .request_id = TEXT_INIT("6ba7b810-9dad-51d1-80b4-00c04fd430c8"),
        .extra = &of_locks },
      "0a510805120b0880f2d6ca06108094ef3ada013f0a2436626137623831302d396461642d353164312d383062342d"
      "303063303466643433306338120a406163636f756e74403112034062401206406240784079" },
    { "lock_requested_on_its_way",
      { .kind = EVENT_LOCK_REQUESTED,
        .id = 5,
        .ref = NO_ID,
        .at = AT,
        .request_id = TEXT_INIT("s1"),
        .extra = &at_second_lock },
      "0a360805120b0880f2d6ca06108094ef3ada01240a027331120440614031120440614032180122090a076f726465"
      "722d31a206040a026531" },
    { "lock_granted",
      { .kind = EVENT_LOCK_GRANTED,
        .id = NO_ID,
        .ref = 5,
        .at = AT,
        .request_id = TEXT_INIT("6ba7b810-9dad-51d1-80b4-00c04fd430c8") },
      "0a4408ffffffffffffffffff01120b0880f2d6ca06108094ef3ae201290a2436626137623831302d396461642d35"
      "3164312d383062342d303063303466643433306338a00605" },
    { "unlock_sent",
      { .kind = EVENT_UNLOCK_SENT,
        .id = 6,
        .ref = NO_ID,
        .at = AT,
        .instance_id = TEXT_INIT("@account@1"),
        .request_id = TEXT_INIT("6ba7b810-9dad-51d1-80b4-00c04fd430c8") },
      "0a460806120b0880f2d6ca06108094ef3aea01340a2436626137623831302d396461642d353164312d383062342d"
      "3030633034666434333063381a0c0a0a406163636f756e744031" },
    { "unlock_sent_after_a_request",
      { .kind = EVENT_UNLOCK_SENT,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .request_id = TEXT_INIT("s1"),
        .extra = &at_second_lock },
      "0a4208ffffffffffffffffff01120b0880f2d6ca06108094ef3aea01270a02733112090a076f726465722d31a206"
      "040a026531aa060440614031aa060440614032b00601" },
    { "signal_cancelled",
      { .kind = EVENT_SIGNAL_CANCELLED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .instance_id = TEXT_INIT("@counter@x"),
        .request_id = TEXT_INIT("6ba7b810-9dad-51d1-80b4-00c04fd430c8") },
      "0a4f08ffffffffffffffffff01120b0880f2d6ca06108094ef3ab206340a2436626137623831302d396461642d35"
      "3164312d383062342d303063303466643433306338120c0a0a40636f756e7465724078" },
    { "execution_started_traced",
      { .kind = EVENT_EXECUTION_STARTED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("H"),
        .instance_id = TEXT_INIT("i"),
        .extra = &traced_and_tagged },
      "0a3e08ffffffffffffffffff01120b0880f2d6ca06108094ef3a1a240a014822030a0169"
      "3a120a0930302d312d322d30311a050a03613d624a060a016b120176" },
    { "task_scheduled_traced",
      { .kind = EVENT_TASK_SCHEDULED,
        .id = 1,
        .ref = NO_ID,
        .at = AT,
        .name = TEXT_INIT("A"),
        .extra = &traced },
      "0a280801120b0880f2d6ca06108094ef3a32170a014122120a0930302d312d322d30311a"
      "050a03613d62" },
    { "child_created_traced",
      { .kind = EVENT_CHILD_CREATED,
        .id = 1,
        .ref = NO_ID,
        .at = AT,
        .instance_id = TEXT_INIT("c"),
        .name = TEXT_INIT("C"),
        .extra = &traced_and_tagged },
      "0a330801120b0880f2d6ca06108094ef3a4a220a01631201432a120a0930302d312d322d"
      "30311a050a03613d6232060a016b120176" },
    { "trace_noted",
      { .kind = EVENT_TRACE_NOTED,
        .id = NO_ID,
        .ref = NO_ID,
        .at = AT,
        .payload = TEXT_INIT("\x0a\x12\x0a\x10"
                             "00f067aa0ba902b7"
                             "\x12\x02\x08\x05") },
      "0a3508ffffffffffffffffff01120b0880f2d6ca06108094ef3aba061a0a180a120a1030"
      "30663036376161306261393032623712020805" },
};

const size_t sample_count = sizeof(samples) / sizeof(samples[0]);

/* A turn that began in 1970, and an event "e" that was raised then. */
static const struct text turns[] = { TEXT_INIT("\x0a\x04\x12\x00\x72\x00"), TEXT_INIT(""),
                                     TEXT_INIT("\x0a\x04\x12\x00\x72\x00") };
static const struct text inbox[] = { TEXT_INIT("\x0a\x08\x12\x00\x8a\x01\x03\x0a\x01\x65") };

const struct archive_sample archive_samples[] = {
    { "archive_of_a_child",
      { .record = { .id = TEXT_INIT("order-1"),
                    .execution_id = TEXT_INIT("e1"),
                    .name = TEXT_INIT("Ship"),
                    .version = TEXT_INIT("1.1"),
                    .input = TEXT_INIT("{}"),
                    .state = RUN_SUSPENDED,
                    .created_at = AT,
                    .updated_at = AT + 1,
                    .starts_at = AT + INT64_C(3600000000),
                    .custom_status = TEXT_INIT("\"half\""),
                    .tags = TEXT_INIT("\x1e"
                                      "a\x1f"
                                      "1\x1e"
                                      "b\x1f\x1e"),
                    .parent_id = TEXT_INIT("order"),
                    .parent_execution_id = TEXT_INIT("e0"),
                    .parent_step = 4 },
        .turns = turns,
        .turn_count = 3,
        .inbox = inbox,
        .inbox_count = 1 },
      "0a6d0a076f726465722d311204536869701a050a03312e3120072a0b08908ed7ca06108094ef3a320b0880f2d6ca"
      "06108094ef3a3a0b0880f2d6ca0610e89bef3a42040a027b7d52080a062268616c662262040a02653172070a056f"
      "726465727a060a01611201317a050a0162120012110804220d0a056f7264657212040a0265301a060a0412007200"
      "1a001a060a0412007200220a0a0812008a01030a0165" },
    { "archive_of_what_failed",
      { .record = { .id = TEXT_INIT("f"),
                    .execution_id = TEXT_INIT("e1"),
                    .name = TEXT_INIT("Ship"),
                    .input = TEXT_INIT(""),
                    .state = RUN_FAILED,
                    .created_at = AT,
                    .updated_at = AT + TIME_SECOND,
                    .ended_at = AT + TIME_SECOND,
                    .failure = TEXT_INIT("\x0a\x01\x41\x12\x01\x42") },
        .turns = turns,
        .turn_count = 1 },
      "0a420a01661204536869702003320b0880f2d6ca06108094ef3a3a0b0881f2d6ca06108094ef3a42005a060a0141"
      "12014262040a0265316a0b0881f2d6ca06108094ef3a1a060a0412007200" },
    { "archive_of_what_ran",
      { .record = { .id = TEXT_INIT("r"), .name = TEXT_INIT("R"), .state = RUN_RUNNING } },
      "0a0a0a017212015232003a00" },
    { "archive_of_what_waits",
      { .record = { .id = TEXT_INIT("w"), .name = TEXT_INIT("W"), .state = RUN_PENDING },
        .inbox = inbox,
        .inbox_count = 1 },
      "0a0c0a0177120157200632003a00220a0a0812008a01030a0165" },
    { "archive_of_what_completed",
      { .record = { .id = TEXT_INIT("c"),
                    .name = TEXT_INIT("C"),
                    .state = RUN_COMPLETED,
                    .ended_at = 1,
                    .output = TEXT_INIT("[1]") } },
      "0a180a0163120143200132003a004a050a035b315d6a0310e807" },
    { "archive_of_what_was_terminated",
      { .record = { .id = TEXT_INIT("t"),
                    .name = TEXT_INIT("T"),
                    .state = RUN_TERMINATED,
                    .ended_at = 1,
                    .output = TEXT_INIT("") } },
      "0a130a0174120154200532003a004a006a0310e807" },
};

const size_t archive_sample_count = sizeof(archive_samples) / sizeof(archive_samples[0]);

const struct sample *sample_find(const char *name)
{
    for (size_t i = 0; i < sample_count; i++) {
        if (strcmp(samples[i].name, name) == 0) {
            return &samples[i];
        }
    }
    return NULL;
}

const struct archive_sample *archive_sample_find(const char *name)
{
    for (size_t i = 0; i < archive_sample_count; i++) {
        if (strcmp(archive_samples[i].name, name) == 0) {
            return &archive_samples[i];
        }
    }
    return NULL;
}

static unsigned digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

struct text sample_bytes(struct arena *arena, const char *hex)
{
    size_t size = strlen(hex);
    char *bytes = arena_alloc(arena, size / 2 + 1);
    size_t count = 0;
    while (hex[0] != '\0' && hex[1] != '\0') {
        if (hex[0] == ' ') {
            hex++;
            continue;
        }
        bytes[count++] = (char)(digit(hex[0]) << 4 | digit(hex[1]));
        hex += 2;
    }
    return text_make(bytes, count);
}
