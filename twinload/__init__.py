"""The top of the flow: the command (`cli`) and the order of work (`campaign`). Nothing imports it.

plan -> pool -> clusters up -> gate -> swarm + monitor -> run folder -> analysis -> report
"""
