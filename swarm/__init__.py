"""The load: stages that the engine, or Locust's users, carry to the twins, inside Locust.

The fifth step of the flow, beside the watch. Imports nothing here: the pure part must not bring Locust's patching.

    pure       stages -> schedule (in which order) -> gathering (what was counted, over workers), proof, connections
    a process  station <- order .. report -> gathering; templates, targets (what is asked, and where)
      native   native_station, engine_plan (JSON both ways), engine_tally; engine_sender starts the engine
      Python   station, pacing (when), seats (who), tally; connection (one kept socket a seat), recorder
    a run      options, preparation (checked first), conductor (sweep after sweep), hand_driver, channel_driver
    Locust     schedule_seat, seat_user, native/ (the engine's client), senders (which of them), crews, runs, wiring
    its figures  bulk, bulk_statistics, statistics_reset, final_csv, cpu_warning

Errors: SwarmError and NoTargetsError in targets; a failed request is a record, RequestError stays inside.
"""
