from drf_spectacular.openapi import AutoSchema


class RecordSchema(AutoSchema):
    pass
