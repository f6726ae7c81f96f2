"""What a function does once, at init: read its settings, make its clients, and stand ready with a worker."""

import os

from botocore.session import get_session

from consumers import end_init
from consumers.environment import Environment
from consumers.worker import Worker
from pipeline.notifications import SqsNotifier, notification_client
from pipeline.recognition import Recogniser, rekognition_client
from pipeline.results_table import ResultsTable, dynamodb_client
from pipeline.settings import NotificationSettings, Settings


def start() -> Worker:
    """Make this environment's worker.

    botocore alone, without boto3, whose import takes longer than all the rest of a cold start.

    Raises:
        pipeline.settings.SettingsError: a variable of the function is missing or wrong.
    """
    settings = Settings.from_environment(os.environ)
    session = get_session()
    concurrency = settings.in_batch_concurrency
    recogniser = Recogniser(
        rekognition_client(session, concurrency),
        min_confidence=settings.min_confidence,
        max_labels=settings.max_labels,
    )
    results = ResultsTable(
        dynamodb_client(session, concurrency), settings.results_table, ttl_days=settings.result_ttl_days
    )
    notifier = SqsNotifier(
        lambda: notification_client(session, concurrency), NotificationSettings.from_environment(os.environ)
    )
    worker = Worker(recogniser, results, notifier, Environment.of_this_process(os.environ), concurrency=concurrency)
    end_init()
    return worker
