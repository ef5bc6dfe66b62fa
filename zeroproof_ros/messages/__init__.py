"""Pure conversions between ROS messages and arrays, mirrored, shared by nodes and bag readers.

What comes in is only read by attribute, so a message of another deserialiser will do as well.
"""
