# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.blob_constructors import sample_from_uuid as sample_from_uuid
from selenite.dropin.pangea_api.blob_constructors import sample_group_from_uuid as sample_group_from_uuid
from selenite.dropin.pangea_api.remote_object import RemoteObject as RemoteObject
from selenite.dropin.pangea_api.remote_object import found as found
from selenite.dropin.pangea_api.utils import paginated_iterator as paginated_iterator
from selenite.dropin.pangea_api.work_orders import GroupWorkOrder as GroupWorkOrder
from selenite.dropin.pangea_api.work_orders import GroupWorkOrderProto as GroupWorkOrderProto
from selenite.dropin.pangea_api.work_orders import JobOrder as JobOrder
from selenite.dropin.pangea_api.work_orders import WorkOrder as WorkOrder
from selenite.dropin.pangea_api.work_orders import WorkOrderProto as WorkOrderProto
from selenite.dropin.pangea_api.work_orders import _Made as _Made
from selenite.dropin.pangea_api.work_orders import _Order as _Order
from selenite.dropin.pangea_api.work_orders import _Proto as _Proto
from selenite.dropin.pangea_api.work_orders import logger as logger
