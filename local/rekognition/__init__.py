"""A stand-in for Amazon Rekognition's DetectLabels: its checks, errors, quota and waiting time, another model.

Every answer says so: its LabelModelVersion is `local-efficientnet-lite0`.
"""
