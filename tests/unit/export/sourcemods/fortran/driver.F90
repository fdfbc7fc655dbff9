! Runs the three (patched) routines on columns from a namelist and writes what they computed as raw doubles.
! -DOLD_CTSM: fractions in the state type, as before ctsm5.1.dev074. -DTHAW_IN_CANOPY: as before ctsm1.0.dev069.
program driver
   use shr_kind_mod, only: r8 => shr_kind_r8
   use decompMod, only: bounds_type
   use domainMod, only: ldomain
   use GridcellType, only: grc
   use ColumnType, only: col
   use PatchType, only: patch
   use clm_varctl, only: paramfile, spinup_state, use_fates
   use clm_varcon, only: zsoi, dzsoi, dzsoi_decomp, zisoi
   use clm_varpar, only: nlevdecomp
   use CNSharedParamsMod, only: CNParamsShareInst
   use ncdio_pio, only: file_desc_t, ncd_pio_openfile, ncd_io
   use SoilBiogeochemDecompCascadeConType, only: allocate_cascade, use_soil_matrixcn
   use SoilBiogeochemStateType, only: soilbiogeochem_state_type
   use SoilBiogeochemCarbonFluxType, only: soilbiogeochem_carbonflux_type
   use SoilBiogeochemCarbonStateType, only: soilbiogeochem_carbonstate_type
   use SoilBiogeochemNitrogenFluxType, only: soilbiogeochem_nitrogenflux_type
   use SoilBiogeochemNitrogenStateType, only: soilbiogeochem_nitrogenstate_type
   use SoilStateType, only: soilstate_type
   use TemperatureType, only: temperature_type
   use ch4Mod, only: ch4_type
#ifdef THAW_IN_CANOPY
   use CanopyStateType, only: thaw_type => canopystate_type
#else
   use ActiveLayerMod, only: thaw_type => active_layer_type
#endif
   use SoilBiogeochemDecompCascadeBGCMod, only: read_cascade => readParams, init_decompcascade_bgc, &
      decomp_rate_constants_bgc
   use SoilBiogeochemLittVertTranspMod, only: read_transport => readParams, SoilBiogeochemLittVertTransp
   use SoilBiogeochemVerticalProfileMod, only: SoilBiogeochemVerticalProfile
   implicit none
   integer, parameter :: full = 25, most = 64
   integer :: n = 0
   logical :: matrix = .false., skip_cascade = .false., fates = .false.
   real(r8) :: lat(most) = 0, lon(most) = 0, altmax(most) = 0, altmax_last(most) = 0
   integer :: last_thawed(most) = 0, nbedrock(most) = full
   real(r8) :: temperature(20, most), psi(20, most), sand(20, most), node(25), width(25), edge(0:25)
   namelist /case/ n, matrix, skip_cascade, fates, spinup_state, lat, lon, altmax, altmax_last, last_thawed, nbedrock, &
      temperature, psi, sand, node, width, edge
   type(bounds_type) :: bounds
   type(file_desc_t) :: ncid
   type(soilbiogeochem_state_type) :: state
   type(soilbiogeochem_carbonflux_type) :: flux, flux13, flux14
   type(soilbiogeochem_carbonstate_type) :: carbon, carbon13, carbon14
   type(soilbiogeochem_nitrogenflux_type) :: nitrogen_flux
   type(soilbiogeochem_nitrogenstate_type) :: nitrogen
   type(soilstate_type) :: soil
   type(temperature_type) :: warmth
   type(ch4_type) :: methane
   type(thaw_type) :: thaw
   integer, allocatable :: columns(:)
   integer :: unit, c

   open (newunit=unit, file='case.nml', action='read')
   read (unit, nml=case)
   close (unit)
   use_soil_matrixcn = matrix
   use_fates = fates
   zsoi = node
   dzsoi = width
   dzsoi_decomp = width
   zisoi = edge
   bounds = bounds_type(1, n, 1, n, 1, n)
   columns = [(c, c=1, n)]
   call set_up_grid()
   call set_up_soil()
   call read_parameters()
   if (.not. skip_cascade) then
      call init_decompcascade_bgc(bounds, state, soil)
#ifdef THAW_IN_CANOPY
      call decomp_rate_constants_bgc(bounds, n, columns, thaw, soil, warmth, methane, flux)
#else
      call decomp_rate_constants_bgc(bounds, n, columns, soil, warmth, methane, flux)
#endif
   end if
   call SoilBiogeochemVerticalProfile(bounds, n, columns, n, columns, thaw, soil, state)
   call SoilBiogeochemLittVertTransp(bounds, n, columns, thaw, state, carbon, flux, carbon13, flux13, &
                                     carbon14, flux14, nitrogen, nitrogen_flux)
#ifdef OLD_CTSM
   flux%rf_decomp_cascade_col = state%rf_decomp_cascade_col
   flux%pathfrac_decomp_cascade_col = state%pathfrac_decomp_cascade_col
#endif
   open (newunit=unit, file='result.bin', access='stream', form='unformatted', status='replace')
   write (unit) flux%decomp_k_col, flux%rf_decomp_cascade_col, flux%pathfrac_decomp_cascade_col
   write (unit) state%som_diffus_coef_col, flux%t_scalar_col, flux%w_scalar_col, flux%Ksoil%DM
   write (unit) state%leaf_prof_patch, state%froot_prof_patch, state%croot_prof_patch, state%stem_prof_patch
   close (unit)

contains

   subroutine set_up_grid()
      ldomain%ns = n
      allocate (grc%latdeg(n), source=lat(:n))
      allocate (grc%londeg(n), source=lon(:n))
      allocate (col%gridcell(n), source=columns)
      allocate (col%nbedrock(n), source=nbedrock(:n))
      allocate (col%npatches(n), source=[(1, c=1, n)])
      allocate (col%patchi(n), source=columns)
      allocate (col%is_fates(n), source=[(.false., c=1, n)])
      allocate (col%dz(n, full), source=spread(width, 1, n))
      allocate (patch%column(n), source=columns)
      allocate (patch%gridcell(n), source=columns)
      allocate (patch%itype(n), source=[(1, c=1, n)])
      allocate (patch%wtcol(n), source=[(1.0_r8, c=1, n)])
   end subroutine set_up_grid

   subroutine set_up_soil()
      integer :: j
      allocate (warmth%t_soisno_col(n, -11:full), source=300.0_r8)
      allocate (soil%soilpsi_col(n, full), source=-15.0_r8)
      allocate (soil%cellsand_col(n, full), source=0.0_r8)
      allocate (soil%crootfr_patch(n, full), source=0.0_r8)
      do j = 1, nlevdecomp
         warmth%t_soisno_col(:, j) = temperature(j, :n)
         soil%soilpsi_col(:, j) = psi(j, :n)
         soil%cellsand_col(:, j) = sand(j, :n)
         where (j <= nbedrock(:n)) soil%crootfr_patch(:, j) = width(j)*exp(-edge(j))
      end do
      allocate (thaw%altmax_col(n), source=altmax(:n))
      allocate (thaw%altmax_lastyear_col(n), source=altmax_last(:n))
      allocate (thaw%altmax_lastyear_indx_col(n), source=last_thawed(:n))
#ifdef THAW_IN_CANOPY
      allocate (thaw%alt_indx_col(n), source=last_thawed(:n))
#endif
      allocate (methane%o2stress_sat_col(n, full), methane%o2stress_unsat_col(n, full), methane%finundated_col(n))
      call allocate_cascade(7, 10)
      call allocate_flux(flux)
      call allocate_flux(flux13)
      call allocate_flux(flux14)
      allocate (carbon%decomp_cpools_vr_col(n, full, 7), source=1.0_r8)
      allocate (nitrogen%decomp_npools_vr_col(n, full, 7), source=1.0_r8)
      allocate (nitrogen_flux%decomp_npools_sourcesink_col(n, full, 7), source=0.0_r8)
      allocate (nitrogen_flux%decomp_npools_transport_tendency_col(n, full, 7), source=0.0_r8)
      allocate (nitrogen_flux%matrix_Ninput%V(n, 7*nlevdecomp), source=0.0_r8)
      allocate (state%rf_decomp_cascade_col(n, full, 10), source=-1.0_r8)
      allocate (state%pathfrac_decomp_cascade_col(n, full, 10), source=-1.0_r8)
      allocate (state%som_adv_coef_col(n, full), state%som_diffus_coef_col(n, full), source=0.0_r8)
      allocate (state%nfixation_prof_col(n, full), state%ndep_prof_col(n, full), source=0.0_r8)
      allocate (state%leaf_prof_patch(n, full), state%froot_prof_patch(n, full), source=0.0_r8)
      allocate (state%croot_prof_patch(n, full), state%stem_prof_patch(n, full), source=0.0_r8)
   end subroutine set_up_soil

   subroutine allocate_flux(this)
      type(soilbiogeochem_carbonflux_type), intent(inout) :: this
      allocate (this%t_scalar_col(n, full), this%w_scalar_col(n, full), this%o_scalar_col(n, full), source=0.0_r8)
      allocate (this%decomp_k_col(n, full, 7), source=0.0_r8)
      allocate (this%rf_decomp_cascade_col(n, full, 10), source=-1.0_r8)
      allocate (this%pathfrac_decomp_cascade_col(n, full, 10), source=-1.0_r8)
      allocate (this%tri_ma_vr(n, 400), source=0.0_r8)
      allocate (this%decomp_cpools_sourcesink_col(n, full, 7), source=0.0_r8)
      allocate (this%decomp_cpools_transport_tendency_col(n, full, 7), source=0.0_r8)
      allocate (this%Ksoil%DM(n, 7*nlevdecomp), source=-1.0_r8)
      allocate (this%matrix_Cinput%V(n, 7*nlevdecomp), source=0.0_r8)
   end subroutine allocate_flux

   subroutine read_parameters()
      call ncd_pio_openfile(ncid, trim(paramfile), 0)
      call ncd_io('q10_mr', CNParamsShareInst%Q10, 'read', ncid)
      call ncd_io('froz_q10', CNParamsShareInst%froz_q10, 'read', ncid)
      call ncd_io('decomp_depth_efolding', CNParamsShareInst%decomp_depth_efolding, 'read', ncid)
      CNParamsShareInst%mino2lim = 0.2_r8
      call ncd_io('minpsi_hr', CNParamsShareInst%minpsi, 'read', ncid)
      call ncd_io('maxpsi_hr', CNParamsShareInst%maxpsi, 'read', ncid)
      call ncd_io('rf_cwdl2', CNParamsShareInst%rf_cwdl2, 'read', ncid)
      call ncd_io('cwd_flig', CNParamsShareInst%cwd_flig, 'read', ncid)
      call ncd_io('tau_cwd', CNParamsShareInst%tau_cwd, 'read', ncid)
      call read_cascade(ncid)
      call read_transport(ncid)
   end subroutine read_parameters

end program driver
