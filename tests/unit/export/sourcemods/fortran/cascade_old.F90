! Our own small stand-in for the CENTURY cascade of release-clm5.0: same routine and variable names, turnover times as
! literals, fractions set at initialisation in the state type, coarse woody debris fourth.
module SoilBiogeochemDecompCascadeBGCMod
  use shr_kind_mod, only : r8 => shr_kind_r8
  use shr_const_mod, only : SHR_CONST_TKFRZ
  use clm_varpar, only : nlevdecomp
  use clm_varcon, only : zsoi
  use decompMod, only : bounds_type
  use ncdio_pio, only : file_desc_t, ncd_io
  use SoilBiogeochemStateType, only : soilbiogeochem_state_type
  use SoilBiogeochemCarbonFluxType, only : soilbiogeochem_carbonflux_type
  use SoilBiogeochemDecompCascadeConType, only : decomp_cascade_con
  use CanopyStateType, only : canopystate_type
  use SoilStateType, only : soilstate_type
  use TemperatureType, only : temperature_type
  use ch4Mod, only : ch4_type
  use CNSharedParamsMod, only : CNParamsShareInst
  !
  implicit none
  private
  public :: readParams, init_decompcascade_bgc, decomp_rate_constants_bgc
  logical, public :: normalize_q10_to_century_tfunc = .true.
  logical, public :: use_century_tfunc = .false.
  real(r8) :: rf(6), cwd_fcel, cwd_flig, rf_cwdl2, rf_cwdl3, minpsi_bgc, maxpsi_bgc
  character(len=8), parameter :: pools(7) = &
       [character(len=8) :: 'litr1', 'litr2', 'litr3', 'cwd', 'soil1', 'soil2', 'soil3']
  integer, parameter :: donors(10) = [1, 2, 3, 5, 5, 6, 6, 7, 4, 4]
  integer, parameter :: receivers(10) = [5, 5, 6, 6, 7, 5, 7, 5, 2, 3]
contains

  subroutine readParams(ncid)
    type(file_desc_t), intent(inout) :: ncid
    character(len=16), parameter :: names(12) = [character(len=16) :: 'rf_l1s1_bgc', 'rf_l2s1_bgc', 'rf_l3s2_bgc', &
         'rf_s2s1_bgc', 'rf_s2s3_bgc', 'rf_s3s1_bgc', 'rf_cwdl2_bgc', 'rf_cwdl3_bgc', 'cwd_fcel', 'cwd_flig', &
         'minpsi_hr', 'maxpsi_hr']
    real(r8) :: values(12)
    integer :: i
    do i = 1, 12
       call ncd_io(trim(names(i)), values(i), 'read', ncid)
    end do
    rf = values(1:6)
    rf_cwdl2 = values(7)
    rf_cwdl3 = values(8)
    cwd_fcel = values(9)
    cwd_flig = values(10)
    minpsi_bgc = values(11)
    maxpsi_bgc = values(12)
  end subroutine readParams

  subroutine init_decompcascade_bgc(bounds, soilbiogeochem_state_inst, soilstate_inst)
    type(bounds_type)               , intent(in)    :: bounds
    type(soilbiogeochem_state_type) , intent(inout) :: soilbiogeochem_state_inst
    type(soilstate_type)            , intent(in)    :: soilstate_inst
    real(r8) :: rf_s1(bounds%begc:bounds%endc,nlevdecomp)
    integer  :: k
    associate(cellsand                => soilstate_inst%cellsand_col                            , &
              rf_decomp_cascade       => soilbiogeochem_state_inst%rf_decomp_cascade_col        , &
              pathfrac_decomp_cascade => soilbiogeochem_state_inst%pathfrac_decomp_cascade_col  , &
              con                     => decomp_cascade_con)
      rf_s1 = 0.85_r8 - 0.0068_r8 * (100._r8 - cellsand(bounds%begc:bounds%endc,1:nlevdecomp))
      pathfrac_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,[1, 2, 3, 8]) = 1.0_r8
      pathfrac_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,4) = 1._r8 - .004_r8 / (1._r8 - rf_s1)
      pathfrac_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,5) = .004_r8 / (1._r8 - rf_s1)
      pathfrac_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,6) = 0.42_r8/(0.45_r8)
      pathfrac_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,7) = 0.03_r8/(0.45_r8)
      pathfrac_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,9) = cwd_fcel
      pathfrac_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,10) = cwd_flig
      do k = 1, 3
         rf_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,k) = rf(k)
      end do
      rf_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,4) = rf_s1
      rf_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,5) = rf_s1
      do k = 6, 8
         rf_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,k) = rf(k-2)
      end do
      rf_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,9) = rf_cwdl2
      rf_decomp_cascade(bounds%begc:bounds%endc,1:nlevdecomp,10) = rf_cwdl3
      con%decomp_pool_name_restart(1:7) = pools
      con%cascade_donor_pool = donors
      con%cascade_receiver_pool = receivers
      con%is_cwd = .false.
      con%is_cwd(4) = .true.
      con%spinup_factor = 1._r8
    end associate
  end subroutine init_decompcascade_bgc

  subroutine decomp_rate_constants_bgc(bounds, num_soilc, filter_soilc, &
       canopystate_inst, soilstate_inst, temperature_inst, ch4_inst, soilbiogeochem_carbonflux_inst)
    use clm_time_manager, only : get_days_per_year
    use clm_varcon, only : secspday
    type(bounds_type)                    , intent(in)    :: bounds
    integer                              , intent(in)    :: num_soilc
    integer                              , intent(in)    :: filter_soilc(:)
    type(canopystate_type)               , intent(in)    :: canopystate_inst
    type(soilstate_type)                 , intent(in)    :: soilstate_inst
    type(temperature_type)               , intent(in)    :: temperature_inst
    type(ch4_type)                       , intent(in)    :: ch4_inst
    type(soilbiogeochem_carbonflux_type) , intent(inout) :: soilbiogeochem_carbonflux_inst
    real(r8) :: tau_l1, tau_l2_l3, tau_s1, tau_s2, tau_s3, tau_cwd
    real(r8) :: k_l1, k_l2_l3, k_s1, k_s2, k_s3, k_frag, rate(7)
    real(r8) :: Q10, froz_q10, decomp_depth_efolding, days_per_year, psi
    integer  :: fc, c, j, k
    associate(                                                           &
         minpsi    => minpsi_bgc                                       , &
         maxpsi    => maxpsi_bgc                                       , &
         soilpsi   => soilstate_inst%soilpsi_col                       , &
         t_soisno  => temperature_inst%t_soisno_col                    , &
         t_scalar  => soilbiogeochem_carbonflux_inst%t_scalar_col      , &
         w_scalar  => soilbiogeochem_carbonflux_inst%w_scalar_col      , &
         o_scalar  => soilbiogeochem_carbonflux_inst%o_scalar_col      , &
         decomp_k  => soilbiogeochem_carbonflux_inst%decomp_k_col        &
         )
      tau_l1 = 1./18.5
      tau_l2_l3 = 1./4.9
      tau_s1 = 1./7.3
      tau_s2 = 1./0.2
      tau_s3 = 1./.0045
      tau_cwd = 1./0.3
      days_per_year = get_days_per_year()
      Q10 = CNParamsShareInst%Q10
      froz_q10 = CNParamsShareInst%froz_q10
      decomp_depth_efolding = CNParamsShareInst%decomp_depth_efolding
      k_l1 = 1._r8 / (secspday * days_per_year * tau_l1)
      k_l2_l3 = 1._r8 / (secspday * days_per_year * tau_l2_l3)
      k_s1 = 1._r8 / (secspday * days_per_year * tau_s1)
      k_s2 = 1._r8 / (secspday * days_per_year * tau_s2)
      k_s3 = 1._r8 / (secspday * days_per_year * tau_s3)
      k_frag = 1._r8 / (secspday * days_per_year * tau_cwd)
      rate = [k_l1, k_l2_l3, k_l2_l3, k_frag, k_s1, k_s2, k_s3]
      o_scalar(bounds%begc:bounds%endc,1:nlevdecomp) = 1._r8
      do j = 1, nlevdecomp
         do fc = 1, num_soilc
            c = filter_soilc(fc)
            if (t_soisno(c,j) >= SHR_CONST_TKFRZ) then
               t_scalar(c,j) = Q10**((t_soisno(c,j)-(SHR_CONST_TKFRZ+25._r8))/10._r8)
            else
               t_scalar(c,j) = (Q10**(-25._r8/10._r8))*(froz_q10**((t_soisno(c,j)-SHR_CONST_TKFRZ)/10._r8))
            end if
            t_scalar(c,j) = t_scalar(c,j) * (century(15._r8)/century(30._r8) / Q10**(-1._r8))
            psi = min(soilpsi(c,j), maxpsi)
            w_scalar(c,j) = 0._r8
            if (psi > minpsi) w_scalar(c,j) = log(minpsi/psi)/log(minpsi/maxpsi)
            do k = 1, 7
               decomp_k(c,j,k) = rate(k) * t_scalar(c,j) * w_scalar(c,j) * &
                    exp(-zsoi(j) / decomp_depth_efolding) * o_scalar(c,j)
            end do
         end do
      end do
    end associate
  end subroutine decomp_rate_constants_bgc

  ! CENTURY's temperature function, degC
  pure real(r8) function century(celsius)
    real(r8), intent(in) :: celsius
    real(r8), parameter :: pi = acos(-1._r8)
    century = 11.75_r8 + (29.7_r8/pi) * atan(pi*0.031_r8*(celsius - 15.4_r8))
  end function century
end module SoilBiogeochemDecompCascadeBGCMod
