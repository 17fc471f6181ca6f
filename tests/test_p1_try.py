def test_a(alice, client):
    from django.conf import settings
    from django.db import connection
    print(settings.DATA_DIR, connection.settings_dict["HOST"], connection.settings_dict["NAME"])
    client.force_login(alice)
def test_w(worker): pass
def test_s(asgi_server):
    import urllib.request
    print(urllib.request.urlopen(asgi_server+"/readyz").read())
