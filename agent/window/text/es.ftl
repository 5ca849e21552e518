# Las palabras propias de la ventana.

## General
app-name = Nearhand
list-separator = {", "}
list-empty = nada
seconds = { $n ->
    [one] { $n } segundo
   *[other] { $n } segundos
}
minutes = { $n ->
    [one] { $n } minuto
   *[other] { $n } minutos
}
hours = { $n ->
    [one] { $n } hora
   *[other] { $n } horas
}
hours-minutes = { $hours } h { $minutes } min
tab-help = Pedir ayuda
tab-code = Código
tab-about = Acerca de
tab-back = Volver
connected = Conectado
not-connected = Sin conexión
close = Cerrar
cancel = Cancelar
by-program = Esa pulsación la hizo un programa, no usted; por eso no cuenta. Si no lo esperaba, pulse Detener o Denegar.
message-from-agent = Mensaje: { $text }

## The agent is away
lost-title = Buscando el servicio de ayuda
lost-body = La parte de Nearhand que protege este equipo no responde. Mientras falte, nadie puede ver ni hacer nada aquí. Esta ventana vuelve a conectarse sola.
lost-seeking = Conectando…

## Which support team
site-title = ¿Quién le ayuda?
site-body = Su equipo de soporte le da un texto que empieza por «nearhand-site-». Péguelo aquí. Use solo el de un equipo al que usted mismo se dirigió.
site-label = Texto de su equipo de soporte
site-go = Continuar
site-bad = Este texto no sirve. ¿Lo copió entero?
site-starting = Iniciando…

## Ask for help
help-title = ¿Qué ocurre?
help-body = Descríbalo con sus palabras. Su equipo de soporte lee este texto.
help-what = Qué ocurre
help-what-hint = Por ejemplo: la impresora ya no imprime
help-urgency = ¿Es urgente?
urgency-can-wait = Puede esperar
urgency-hampered = Puedo trabajar, pero mal
urgency-stopped = No puedo trabajar
help-reach = ¿Cómo le localizamos?
help-reach-hint = Teléfono o correo (opcional)
help-send = Pedir ayuda
help-looking = Buscando problemas conocidos en este equipo…
help-fixes = Quizá pueda resolverlo usted mismo
help-fixes-body = Esto se acaba de encontrar en este equipo:
help-sent-title = Su petición
help-sending = Su petición se guarda aquí y se envía en cuanto se pueda contactar con el equipo de soporte.
help-ahead = { $n ->
    [0] Es su turno.
    [one] Hay una persona antes que usted.
   *[other] Hay { $n } personas antes que usted.
}
help-wait = Espera prevista: unos { $time }
help-number = Petición número { $n }
help-taken = { $name } tiene su petición.
help-taken-body = Puede que le pida conectarse. En este equipo no ocurre nada hasta que usted lo permita.
help-closed = Su petición está cerrada.
help-refused = No se pudo aceptar su petición: { $why }
help-withdraw = Ya no necesito ayuda
help-again = Pedir otra vez

## Support code
code-title = Código de ayuda
code-body = Lea este código a la persona que le ayuda. Sirve una sola vez.
code-none = Ahora mismo no hay código.
code-left = Válido durante { $time }
code-copy = Copiar
code-copied = Copiado
code-new = Código nuevo
code-cancel = Anular este código
code-gone = El código ya no vale: { $why }
code-warning = Léalo solo a alguien con quien usted mismo se puso en contacto. Nadie honrado pide dinero, tarjetas regalo ni sus claves del banco mientras le ayuda.

## Consent
consent-title = ¿Permite esto?
consent-who = { $technician } de { $organisation } pide conectarse
consent-reason = Su motivo, en sus palabras
consent-no-reason = No dio ningún motivo.
consent-first = Esta persona nunca le ha ayudado. Si usted no se dirigió a ella, pulse Denegar. Los equipos de soporte nunca llaman sin que se lo pidan.
consent-warning = Nadie honrado pide dinero, tarjetas regalo ni sus claves del banco mientras le ayuda.
consent-what = Qué podrá hacer
consent-long = Durante cuánto tiempo
consent-15 = 15 minutos
consent-60 = 1 hora
consent-open = Hasta que yo lo detenga
consent-window = ¿Qué ventana podrá ver?
consent-window-note = Solo se le muestra esa ventana, tape lo que la tape.
consent-no-window = No hay ninguna ventana abierta.
consent-deny = Denegar
consent-allow = Permitir
consent-next = Continuar
consent-wait = Lea primero, por favor. Podrá permitir en { $time }.
consent-pick = Marque lo que quiera permitir.
consent-pick-window = Elija la ventana que podrá ver.
consent-left = Cuenta como denegado en { $time }
consent-refused = Eso no contó: { $why }
consent-more = { $n ->
    [one] Espera otra petición.
   *[other] Esperan { $n } peticiones más.
}
elevated-title = ¿Está seguro?
elevated-body = { $technician } de { $organisation } tendría un acceso muy amplio:
elevated-open = Continúa aunque usted no esté ante el equipo, hasta que pulse Detener.
elevated-warning = Permítalo solo si conoce a esta persona y usted mismo se dirigió a ella.
elevated-allow = Sí, permitir
elevated-back = Volver
request-notice-title = Alguien pide conectarse
request-notice-body = { $technician } de { $organisation } espera su respuesta.

## Capabilities
cap-view = ver la pantalla
cap-control = usar ratón y teclado
cap-clipboard = usar el portapapeles
cap-files = intercambiar archivos
cap-terminal = escribir órdenes
cap-diagnostics = revisar este equipo
cap-actions = ejecutar reparaciones
cap-reboot = reiniciar este equipo
cap-window = ver una ventana
cap-screenshot = tomar una imagen de la pantalla
cap-runbook = ejecutar reparaciones preparadas
does-view = Ver su pantalla
does-control = Usar su ratón y su teclado
does-clipboard = Leer y llenar su portapapeles
does-files = Enviar y traer archivos
does-terminal = Escribir órdenes
does-diagnostics = Revisar cómo está este equipo
does-actions = Ejecutar reparaciones de una lista fija
does-reboot = Reiniciar este equipo
does-window = Ver una ventana que usted elige
does-screenshot = Tomar una imagen de su pantalla
does-runbook = Ejecutar reparaciones que preparó el dueño de este equipo
risk-view = Verá todo lo que esté abierto. Cierre antes lo privado.
risk-control = Podrá hacer todo lo que puede usted. Observe lo que pasa.
risk-clipboard = Se puede leer lo último que copió, por ejemplo una contraseña.
risk-files = Podrá llevarse copias de sus archivos y dejar otros nuevos.
risk-terminal = Las órdenes pueden cambiar o borrar todo lo que puede usted.
risk-diagnostics = Se leen ajustes y mensajes de error, ningún archivo personal.
risk-actions = Las reparaciones cambian ajustes. Cada una aparece aquí.
risk-reboot = Lo que no esté guardado se pierde.
risk-window = Se ve todo lo de esa ventana, y nada más.
risk-screenshot = Lo que esté abierto entonces queda en el informe.
risk-runbook = Cambian cosas, como borrar archivos temporales antiguos. Cada una aparece aquí.

## In session
session-who = { $technician } de { $organisation }
session-view-none = Todavía no puede ver ni hacer nada.
session-can = Puede
session-paused = En pausa: no se ve ni se hace nada.
session-paused-unseen = En pausa, porque esta ventana no estaba o no respondía. Sigue por sí sola.
session-paused-other-user = En pausa, porque ahora otra persona está ante esta pantalla. Se le pregunta.
session-lost = La conexión se ha interrumpido. Se espera a que vuelva.
session-left = quedan { $time }
session-stop = Detener
session-pause = Pausa
session-resume = Reanudar
session-extend = 15 minutos más
session-take = Retirar: { $what }
session-take-short = Retirar
session-done = Qué se está haciendo
session-quiet = Todavía nada.
session-since = Conectado desde las { $time }
session-more = { $n ->
    [one] Hay otra sesión en curso.
   *[other] Hay { $n } sesiones más en curso.
}
chat-title = Mensajes
chat-hint = Escriba al técnico
chat-label = Su mensaje
chat-send = Enviar
chat-you = Usted
chat-empty = Todavía no se ha escrito nada.
mark-sent = enviado
mark-received = recibido
mark-shown = leído
banner-sees = { $who } está conectado
banner-can = Puede { $what }
banner-none = Todavía no puede hacer nada
banner-key = Detener: { $key }
banner-key-taken = Otro programa usa la tecla { $key } para detener
banner-open = Abrir
banner-name = Sesión de Nearhand
close-notice = La sesión continúa. Esta barra permanece mientras haya alguien conectado; pulse Detener para terminar.

## After
after-title = La sesión ha terminado
after-summary = { $technician } de { $organisation }, { $from } a { $to }
after-why = Por qué terminó: { $why }
after-done = Qué se hizo
after-nothing = No se hizo nada.
after-save = Guardar como archivo
after-saved = Guardado como { $file }
after-not-saved = No se pudo guardar: { $why }
after-thanks = ¿Qué tal fue?
after-star-1 = 1 estrella de 5
after-star-2 = 2 estrellas de 5
after-star-3 = 3 estrellas de 5
after-star-4 = 4 estrellas de 5
after-star-5 = 5 estrellas de 5
after-comment = Comentario (opcional)
after-send = Enviar
after-rated = Gracias.
after-report = Denunciar esta sesión
after-report-body = Diga a los administradores de la organización qué no estuvo bien. El técnico no lo ve.
after-report-label = Qué no estuvo bien
after-report-send = Enviar la denuncia
after-reported = Su denuncia se ha enviado.
after-finish = Terminar
record-title = Nearhand: qué se hizo en una sesión
record-device = Equipo: { $device }

## What is done
act-sees-screen = El técnico ve la pantalla
act-leaves-screen = El técnico ya no ve la pantalla
act-sees-window = El técnico ve la ventana { $window }
act-leaves-window = El técnico ya no ve la ventana { $window }
act-controls = El técnico puede usar ratón y teclado
act-leaves-control = El técnico ya no usa ratón y teclado
act-takes-clipboard = El técnico toma lo que hay en el portapapeles
act-takes-picture = Se toma una imagen de la pantalla para el informe
act-records = El técnico graba la pantalla: lo que ve queda en un archivo
act-stops-recording = El técnico ya no graba la pantalla
act-diagnoses = Se está revisando este equipo
act-diagnosed = La revisión ha terminado; el informe se envió
act-diagnosis-broken = La revisión se interrumpió
act-granted = Permitido durante { $time }: { $what }
act-taken-back = Retirado: { $what }
act-expired = Se acabó el tiempo para: { $what }
act-extended = Se dio más tiempo para: { $what }
act-refused = Al técnico se le negó algo: { $why }
act-interrupted = Se perdió la conexión; se espera a que vuelva
act-reconnected = La conexión ha vuelto
act-paused = En pausa: no se ve ni se hace nada
act-paused-unseen = En pausa, porque aquí nadie veía la sesión
act-paused-other-user = En pausa, porque otra persona estaba ante esta pantalla
act-resumed = La sesión continúa

## What the agent says
said-stopped = Se detuvo en este equipo.
said-by-technician = La terminó el técnico.
said-technician-revoked = La organización ya no responde por este técnico.
said-agent-stops = Nearhand se detuvo en este equipo.
said-key-rotated = Este equipo recibió una clave nueva.
said-nothing-granted = Hacía mucho que no se permitía nada.
said-by-relay = La terminó el servidor del equipo de soporte.
said-unwatched = Nadie en este equipo podía verla ya.
said-connection-lost = La conexión se perdió y no volvió.
said-other-user = Ahora otra persona está ante esta pantalla y ha permitido la sesión. La sesión es suya.
said-code-used = Se ha usado.
said-code-burnt = Alguien probó un código equivocado.
said-code-expired = Se acabó su tiempo.
said-code-cancelled = Usted lo anuló.
said-everything-stopped = Usted lo detuvo todo.
said-code-lost = El servidor del equipo de soporte se reinició. Pida un código nuevo.
said-code-elsewhere = Otra persona en este equipo pidió uno nuevo.
said-clock-off = El reloj de este equipo está desajustado en más de un día. Póngalo en hora.
said-wrong-code = Alguien probó un código de ayuda equivocado: { $who }. Si no acaba de leer uno a nadie, no pida otro.
said-record-unwritable = No se puede anotar lo que ocurre, así que no se permite nada nuevo. El disco está lleno o no responde.
said-record-writable = Lo que ocurre se puede anotar de nuevo: ya se pueden permitir solicitudes.
said-missed = Algunas novedades no llegaron a tiempo a esta ventana.
said-request-over = Esa petición ya no está abierta.
said-read-first = Lea primero quién lo pide y por qué. Podrá permitir en { $time }.
said-hands-off = El técnico está usando el ratón o el teclado. Responda cuando lleve quieto { $time }.
said-nothing-chosen = No ha marcado nada de lo pedido. Pulse Denegar.
said-which-window = Elija qué ventana se podrá ver.
said-window-unlisted = Esa ventana ya no está. Elija otra vez.
said-session-over = Esa sesión ha terminado.
said-none-granted = Nada de eso está permitido ya.
said-chat-full = El mensaje está vacío o ya hay demasiados.
said-no-code = No hay ningún código suyo.
said-codes-locked = Se probaron demasiados códigos equivocados. Podrá pedir uno nuevo en { $time }.
said-no-relay = Ahora no se puede contactar con el equipo de soporte. Inténtelo enseguida.
said-not-their-screen = Las ventanas solo se muestran a la persona ante esta pantalla, mientras un técnico pide una.
said-too-many-programs = Demasiados programas suyos están conectados al agente. Cierre algunos. Detener funciona siempre.
said-no-text = Escriba unas palabras.
said-not-theirs = Esa no es una sesión suya que haya terminado.
said-not-granted = no permitido: { $what }
said-grant-over = se acabó el tiempo para: { $what }
said-not-offered = no es posible en este equipo: { $what }
said-nobody-sees = Nadie en este equipo podía verlo.
said-path-lost = La conexión se entrecorta; se sigue intentando
said-path-back = La conexión vuelve a ser estable
said-cant-show = No se puede mostrar la pantalla al técnico: { $why }
said-picture-sent = Se envió una imagen de la pantalla para el informe; otra necesita un permiso nuevo
said-picture-not-sent = No se envió ninguna imagen de la pantalla; otro intento necesita un permiso nuevo
said-window-over = La ventana que se veía ya no está; otra necesita un permiso nuevo
said-runbook-begins = Empieza una reparación preparada: { $name }
said-runbook-looks = Se comprueba qué haría una reparación preparada; no se cambia nada: { $name }
said-runbook-step = Reparación { $name }: { $what } ({ $why })
said-runbook-done = La reparación { $name } ha terminado: { $why }
said-runbook-not-done = La reparación { $name } no cambió nada: { $why }
said-runbook-failed = La reparación { $name } no tuvo éxito: { $why }
said-runbook-cancelled = La reparación { $name } se detuvo: { $why }
said-runbook-timed-out = La reparación { $name } tardó demasiado: { $why }
said-runbook-interrupted = La reparación { $name } se interrumpió: { $why }
said-runbook-refused = Se rechazó una reparación preparada: { $why }
repair-restart-service = se reinicia un servicio
repair-clear-caches = se borran archivos temporales antiguos
repair-rotate-logs = se reducen los registros antiguos
repair-mend-network = se vuelve a preparar la red
repair-sync-time = se pone en hora el reloj
repair-clear-print-queue = se eliminan trabajos de impresión atascados
repair-tame-process = se frena o se cierra un programa que consume demasiado
repair-collect-diagnostics = se revisa este equipo

## What a person can mend themselves: what was found, and what to do
fix-busy = Este equipo tiene más trabajo del que puede
fix-busy-do = Cierre los programas y pestañas que no necesite ahora.
fix-hot = Este equipo está demasiado caliente y va más lento
fix-hot-do = Compruebe que nada tape la ventilación y deje que se enfríe un rato.
fix-disk-full = Casi no queda espacio para archivos en { $what }
fix-disk-full-do = Borre lo que ya no necesite y vacíe la papelera.
fix-battery = La batería está gastada
fix-battery-do = Mantenga el equipo enchufado y haga cambiar la batería.
fix-memory = A este equipo se le acaba la memoria
fix-memory-do = Guarde su trabajo y cierre los programas y pestañas que no necesite ahora.
fix-no-network = Este equipo no está conectado a ninguna red
fix-no-network-do = Compruebe el cable de red, o active el wifi y elija su red.
fix-portal = Esta red pide que inicie sesión primero
fix-portal-do = Abra un navegador: ahí aparece la página de acceso de la red.
fix-wifi = La señal wifi es débil
fix-wifi-do = Acérquese al router wifi o use un cable.
fix-printer = La impresora { $what } se ha detenido
fix-printer-do = Compruebe papel, tinta y cable, y luego apague y encienda la impresora.
fix-print-jobs = Hay trabajos atascados en la impresora { $what }
fix-print-jobs-do = Abra la lista de trabajos de la impresora y cancele el primero.
fix-restart = Hay actualizaciones que esperan un reinicio
fix-restart-do = Guarde su trabajo y reinicie el equipo.

## Tray and about
tray-idle = Nearhand: nadie conectado
tray-busy = Nearhand: alguien está conectado
tray-asked = Nearhand: alguien pide conectarse
tray-lost = Nearhand: falta el servicio de ayuda
tray-help = Necesito ayuda
tray-open = Abrir ventana
tray-stop = Detener la sesión
about-title = Acerca de Nearhand
about-body = Ayuda a distancia en la que usted decide qué se ve y qué se hace, y puede verlo y detenerlo todo.
about-version = Versión { $version }
about-device = Este equipo: { $device }
about-relay = Relay: { $relay }
about-licence = Software libre, con licencia MIT o Apache-2.0.
about-made = La ventana está hecha con
