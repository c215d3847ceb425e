"""Where the built-in proxy differs from Toxiproxy on purpose: tests of the shared suite that the original must fail.

Each is an expected failure there, strictly: should the original ever pass one, the entry has to go.
"""

DIFFERENCES = {
    "test_an_empty_listen_binds_loopback": "binds all interfaces",
    "test_a_failing_move_changes_nothing": "stops first, and is left disabled with the new address",
    "test_populate_of_nothing_is_an_empty_list": "answers null",
    "test_reset_goes_on_after_a_failure": "stops at the first proxy that can't be enabled",
    "test_half_close_is_kept": "the end of one direction closes both",
    "test_reset_peer_resets_connections_that_were_open": "only connections opened after the toxic get a RST",
    "test_reset_peer_resets_idle_connections": "waits for data that never comes",
    "test_reset_peer_is_taken_back_in_time": "the wait can't be interrupted, and the data is lost",
    "test_reset_peer_of_toxicity_zero_leaves_connections_alone": "turns every close into a RST",
    "test_a_failing_update_changes_nothing": "is applied halfway",
    "test_a_blackholed_upstream_holds_nothing_up": "dials in the accept loop, without a limit",
    "test_removal_does_not_wait_for_a_client_that_does_not_read": "deadlocks, and answers 503 after 25 s",
    "test_impossible_attributes_are_refused": "takes them, and crashes on the first data",
    "test_metrics_move_while_a_connection_is_open": "count when a connection ends",
    "test_metrics_count_open_connections": "has no such gauge",
    "test_a_rst_is_passed_on": "sends a FIN",
}
