"""The viewsets of records."""

from policytracker.api.mixins import CreateMixin, DestroyMixin, ListMixin, RetrieveMixin, UpdateListMixin, UpdateMixin


class ReadOnlyRecordViewSet(ListMixin, RetrieveMixin):
    """List, detail and history of one type of record."""


class RecordViewSet(CreateMixin, UpdateMixin, UpdateListMixin, DestroyMixin, ReadOnlyRecordViewSet):
    """The API of one type of record. The model validates writes."""
